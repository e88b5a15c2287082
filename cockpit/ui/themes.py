"""Three themes: one accent on near-black or on white, and the terminal's own colours."""

from __future__ import annotations

import os

from rich.console import Console
from textual import constants
from textual.theme import Theme

COCKPIT = Theme(
    name="cockpit",
    primary="#4fb3bf",
    secondary="#7f8c98",
    accent="#4fb3bf",
    foreground="#d7dce0",
    background="#0f1317",
    surface="#0f1317",
    panel="#1a2026",
    success="#7bc275",
    warning="#e0b050",
    error="#e8747c",
    variables={
        "border": "#4fb3bf",
        "border-blurred": "#3a444d",
        "block-cursor-background": "#2b5a62",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#232c33",
        "block-cursor-blurred-foreground": "#d7dce0",
        "footer-key-foreground": "#4fb3bf",
        "scrollbar": "#3a444d",
        "scrollbar-background": "#14191e",
        "scrollbar-corner-color": "#14191e",
    },
)

LIGHT = Theme(
    name="cockpit-light",
    dark=False,
    primary="#00616d",
    secondary="#4a565f",
    accent="#00616d",
    foreground="#0c1114",
    background="#fbfcfc",
    surface="#fbfcfc",
    panel="#f0f3f5",
    success="#22661c",
    warning="#7a5200",
    error="#a8222c",
    variables={
        "border": "#00616d",
        "border-blurred": "#9aa7ae",
        "block-cursor-background": "#00616d",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#dbe4e7",
        "block-cursor-blurred-foreground": "#1b2227",
        "footer-key-foreground": "#00616d",
        "scrollbar": "#9aa7ae",
        "scrollbar-background": "#e9eef0",
        "scrollbar-corner-color": "#e9eef0",
    },
)

# For 16 colours and NO_COLOR: the terminal's palette and default background, no shades that a
# conversion would merge.
TERMINAL = Theme(
    name="cockpit-terminal",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border": "ansi_cyan",
        "border-blurred": "ansi_bright_black",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "ansi_default",
        "block-cursor-blurred-foreground": "ansi_default",
        "footer-key-foreground": "ansi_cyan",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "scrollbar": "ansi_cyan",
        "scrollbar-background": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
    },
)


def terminal_has_few_colours() -> bool:
    """16 colours, none, or NO_COLOR: the terminal's own are the readable ones."""
    console = Console(color_system=constants.COLOR_SYSTEM, force_terminal=True)  # type: ignore[arg-type]
    return "NO_COLOR" in os.environ or console.color_system in ("standard", None)
