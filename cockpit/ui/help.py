"""The list of keys: read from the bindings of the screen it is opened over."""

from __future__ import annotations

from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

from cockpit.ui.screens.dialogs import TextDialog
from cockpit.ui.spans import pad
from cockpit.ui.widgets.cursor_list import CursorList

KEY_WIDTH = 20
HERE, EVERYWHERE, LIST, TEXT = "This screen", "Everywhere", "In the list", "In the text field"
PLACES = (HERE, EVERYWHERE, LIST, TEXT)
OWN_KEYS = "Other keys: `cockpit keys` names every action, and the file that changes its keys."


def help_dialog(screen: Screen[object]) -> TextDialog:
    """Every key that works on ``screen``, by where it works."""
    groups: dict[str, dict[str, tuple[Binding, list[str]]]] = {place: {} for place in PLACES}
    for active in screen.active_bindings.values():
        binding = active.binding
        place = _place(active.node, screen)
        told = binding.tooltip or binding.show or place in (LIST, TEXT)
        if binding.system or not binding.description or not told:
            continue
        actions = groups[place]
        _, keys = actions.setdefault(binding.action, (binding, []))
        keys.append(screen.app.get_key_display(binding))
    parts = [
        "\n".join([place, *(_row(binding, keys) for binding, keys in actions.values())])
        for place, actions in groups.items()
        if actions
    ]
    return TextDialog("Keys", "\n\n".join([*parts, OWN_KEYS]))


def _place(node: DOMNode, screen: Screen[object]) -> str:
    if node is screen:
        return HERE
    if node is screen.app:
        return EVERYWHERE
    return LIST if isinstance(node, CursorList) else TEXT


def _row(binding: Binding, keys: list[str]) -> str:
    about = f"{binding.description}. {binding.tooltip}" if binding.tooltip else binding.description
    return f"  {pad(' or '.join(keys), KEY_WIDTH)}{about}"
