"""The command palette: every action of the screen beneath it, with its key."""

from __future__ import annotations

from collections.abc import Iterator

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.types import IgnoreReturnCallbackType


def available(screen: Screen[object]) -> Iterator[tuple[Binding, DOMNode]]:
    """The actions that can be taken on ``screen`` now, each once, with the node that has it.

    What only moves a cursor is left out: it has neither a place in the key bar nor a tooltip.
    """
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        is_action = binding.description and (binding.show or binding.tooltip)
        if is_action and active.enabled and binding.action not in seen:
            seen.add(binding.action)
            yield binding, active.node


class Actions(Provider):
    """Lists what the bindings list, so that the two cannot drift apart."""

    async def discover(self) -> Hits:
        for binding, run in self._actions():
            yield DiscoveryHit(Content(binding.description), run, help=self._help(binding))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for binding, run in self._actions():
            if (score := matcher.match(binding.description)) > 0:
                shown = matcher.highlight(binding.description)
                yield Hit(score, shown, run, text=binding.description, help=self._help(binding))

    def _actions(self) -> Iterator[tuple[Binding, IgnoreReturnCallbackType]]:
        for binding, node in available(self.screen):

            async def run(action: str = binding.action, namespace: DOMNode = node) -> None:
                await self.app.run_action(action, namespace)

            yield binding, run

    def _help(self, binding: Binding) -> str:
        key = self.app.get_key_display(binding)
        return f"{key}   {binding.tooltip}".rstrip()
