"""How the page looks: one column, system fonts, one palette for light ground and one for dark."""

from arb.report.style import DARK, LIGHT


def _palette(shades: dict[str, str]) -> str:
    return " ".join(f"--{name}: {shade};" for name, shade in shades.items())


CSS = f"""
:root {{ color-scheme: light dark; {_palette(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_palette(DARK)} }} }}
@media print {{ :root {{ {_palette(LIGHT)} }} nav {{ display: none }} figure, tr {{ break-inside: avoid }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--surface); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }}
h1 {{ margin: 0; font-size: 1.7rem; letter-spacing: -0.01em }}
h2 {{ margin: 3.25rem 0 1rem; padding-top: 0.9rem; border-top: 1px solid var(--grid); font-size: 1.3rem }}
section:first-child h2 {{ margin-top: 1.4rem }}
h3 {{ margin: 2rem 0 0.5rem; font-size: 1rem }}
.told {{ margin: 0.25rem 0 1.5rem; color: var(--muted); overflow-wrap: anywhere }}
dl {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr)); gap: 0.6rem; margin: 0 0 1rem }}
dl div {{ padding: 0.7rem 0.8rem; border: 1px solid var(--grid); border-radius: 8px; display: flex;
  flex-direction: column-reverse; justify-content: flex-end }}
dt {{ color: var(--muted); font-size: 0.8rem; line-height: 1.3 }}
dd {{ margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap }}
dd.gain {{ color: var(--gain) }}
dd.loss {{ color: var(--loss) }}
nav {{ position: sticky; top: 0; z-index: 1; display: flex; gap: 1.1rem; margin: 0 -0.25rem; padding: 0.6rem 0.25rem;
  overflow-x: auto; white-space: nowrap; background: var(--surface); font-size: 0.87rem }}
a {{ color: var(--gain); text-decoration: none }}
a:hover {{ text-decoration: underline }}
section {{ scroll-margin-top: 2rem }}
figure {{ margin: 1.9rem 0 }}
figcaption {{ margin-bottom: 0.35rem; font-weight: 600; font-size: 1.02rem; line-height: 1.35; text-wrap: balance }}
.wide {{ overflow-x: auto }}
svg {{ display: block; width: 100%; min-width: 36rem; height: auto; color: var(--ink) }}
details {{ margin: 1.1rem 0 1.6rem }}
summary {{ cursor: pointer; color: var(--muted); font-size: 0.9rem }}
table {{ width: 100%; margin-top: 0.35rem; border-collapse: collapse; font-size: 0.85rem;
  font-variant-numeric: tabular-nums }}
th {{ color: var(--muted); font-weight: 500; vertical-align: bottom }}
th, td {{ padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--grid); text-align: left }}
th:first-child, td:first-child {{ padding-left: 0 }}
th:last-child, td:last-child {{ padding-right: 0 }}
.number, td.loss {{ text-align: right }}
td:first-child, td.number, td.loss {{ white-space: nowrap }}
td.loss {{ color: var(--loss) }}
.none {{ margin: 1rem 0; color: var(--muted) }}
footer {{ margin-top: 3rem; padding-top: 0.8rem; border-top: 1px solid var(--grid); color: var(--muted);
  font-size: 0.85rem }}
"""
