"""Which colours does a widget use, on light and on dark ground?

The two scales go from quiet to loud, in lightness as well as in hue, so that they survive colour blindness and grey
print: darker is worse on light ground, brighter is worse on dark ground. No scale sets red against green.
"""

LIGHT = {
    "ground": "#ffffff", "box": "#ffffff", "text": "#1d2329", "soft": "#5a6570", "line": "#c9d0d7",
    "outline": "#7c8894", "accent": "#0b63b5", "unknown": "#b4bcc4",
    "errors0": "#a3aeb9", "errors1": "#c79a3a", "errors2": "#d95f02", "errors3": "#b5172f", "errors4": "#5e0a4a",
    "latency0": "#9fb9cc", "latency1": "#6ba0cc", "latency2": "#3a7fbd", "latency3": "#1c5599", "latency4": "#0c2a5b",
}  # fmt: skip
DARK = {
    "ground": "#171b1f", "box": "#20262c", "text": "#e6e9ec", "soft": "#a6b0ba", "line": "#3a434c",
    "outline": "#818d99", "accent": "#6cb2f5", "unknown": "#4a545e",
    "errors0": "#697581", "errors1": "#a8822e", "errors2": "#e08a3c", "errors3": "#ff8f80", "errors4": "#ffcbe4",
    "latency0": "#41586b", "latency1": "#4a7fa8", "latency2": "#58a5dc", "latency3": "#92cbf7", "latency4": "#dff1ff",
}  # fmt: skip
# A theme of JupyterLab brings colours of its own for these.
JUPYTER = {
    "ground": "--jp-layout-color0",
    "box": "--jp-layout-color1",
    "text": "--jp-ui-font-color1",
    "soft": "--jp-ui-font-color2",
    "accent": "--jp-brand-color1",
}


def variables(colours: dict[str, str], *, jupyter: bool) -> str:
    """CSS declarations `--wb-<name>`.

    Args:
        jupyter: take JupyterLab's colours where it sets them.
    """
    ours = {
        name: f"var({JUPYTER[name]}, {value})" if jupyter and name in JUPYTER else value
        for name, value in colours.items()
    }
    return " ".join(f"--wb-{name}: {value};" for name, value in ours.items())


def themes(root: str) -> str:
    """CSS rules that give elements of class `root` the colours of the page around them.

    JupyterLab, our offline reports and VS Code tell their theme on the body; elsewhere the system's wish counts.
    """
    light, dark = variables(LIGHT, jupyter=True), variables(DARK, jupyter=True)
    return "\n".join(
        [
            f".{root} {{ color-scheme: light; {light} }}",
            f"@media (prefers-color-scheme: dark) {{ .{root} {{ color-scheme: dark; {dark} }} }}",
            f'[data-jp-theme-light="true"] .{root}, .vscode-light .{root} {{ color-scheme: light; {light} }}',
            f'[data-jp-theme-light="false"] .{root}, .vscode-dark .{root} {{ color-scheme: dark; {dark} }}',
            # Paper is white, whatever the screen was.
            f"@media print {{ body .{root}.{root} {{ color-scheme: light; {variables(LIGHT, jupyter=False)} }} }}",
        ]
    )
