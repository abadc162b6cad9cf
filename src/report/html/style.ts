/** Colours of every page and picture, light and dark. Sinks are vermilion, other tokens blue (Okabe and Ito's palette). */
export const colors = `
:root { color-scheme: light dark;
  --paper: #fdfdfc; --card: #fff; --ink: #1b1f24; --soft: #59626d; --line: #d9dde2; --focus: #0b62c4;
  --sink: #c44e00; --others: #0068a8; --third: #007a5a; --fourth: #8a5a00; --heat: 0, 104, 168; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --card: #1b1f25; --ink: #e6e9ed; --soft: #a0a9b4; --line: #353c45; --focus: #7ab8ff;
  --sink: #ff9450; --others: #62bdf3; --third: #3fcf9f; --fourth: #e5b64a; --heat: 86, 180, 233; } }
`;

/** The one style sheet of every page: phone to desk. */
export const style = `${colors}* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.soft, figcaption, dt { color: var(--soft); font-size: .875rem; }
.summary { font-size: 1.125rem; margin: 1rem 0; padding-left: 1rem; border-left: 3px solid var(--sink); }
.summary p { margin: .15rem 0; max-width: 52rem; }
.note { border-left: 3px solid var(--line); padding-left: 1rem; }
.pair { display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 1fr); }
.grid { display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1fr); margin-top: .75rem; }
@media (min-width: 60rem) { .pair { grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); } .pair.even { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (min-width: 44rem) { .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (min-width: 66rem) { .grid { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
figure { margin: 0; max-width: 30rem; }
figcaption { margin-bottom: .25rem; white-space: pre-wrap; }
figure.broad { max-width: none; margin: .75rem 0; } .broad svg.plot { min-width: 44rem; }
svg.plot { display: block; width: 100%; height: auto; overflow: visible; --plot-background: var(--paper); }
svg.plot text { white-space: pre; } svg.plot [aria-label="cell"] { shape-rendering: crispEdges; }
.key { white-space: nowrap; margin-right: .75rem; }
.key::before { content: ""; display: inline-block; width: 1.4em; margin-right: .35em; vertical-align: .25em; border-top: 2.5px solid; }
.key.dashed::before { border-top-style: dashed; } .key.dotted::before { border-top-style: dotted; }
.key.sink::before { border-color: var(--sink); } .key.others::before { border-color: var(--others); }
.key.third::before { border-color: var(--third); } .key.fourth::before { border-color: var(--fourth); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: normal; }
th { font-weight: 500; color: var(--soft); white-space: nowrap; }
tbody th { color: inherit; }
.number { text-align: right; white-space: nowrap; }
.wide { min-width: 16rem; }
.token { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8125rem; unicode-bidi: isolate; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1rem; margin: .5rem 0; }
dd { margin: 0; font-size: .875rem; }
.controls { display: flex; flex-wrap: wrap; gap: .4rem .6rem; align-items: center; margin: .5rem 0; font-size: .875rem; }
select, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .3rem; padding: .2rem .5rem; max-width: 100%; }
button { min-width: 2.2rem; cursor: pointer; }
label { display: inline-flex; gap: .4rem; align-items: center; max-width: 100%; }
canvas { display: block; max-width: 100%; border-radius: 2px; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
output { display: block; min-height: 3em; font-size: .875rem; font-variant-numeric: tabular-nums; margin-top: .35rem; } output.brief { min-height: 1.6em; }
.ramp { width: 100%; max-width: 16rem; }
.strip { max-height: 17rem; overflow-y: auto; position: relative; border: 1px solid var(--line); border-radius: .3rem; padding: .5rem; background: var(--card); line-height: 1.75; }
.strip span { display: inline-block; padding: 0 .1rem; margin: 0 1px 1px 0; border-radius: 2px; line-height: 1.4; cursor: pointer; max-width: 100%; overflow-wrap: anywhere; }
.strip .top { font-weight: 700; box-shadow: inset 0 -2px var(--sink); }
.strip .chosen { outline: 2px solid var(--sink); outline-offset: 0; }
.strip .query { outline: 2px dashed var(--others); outline-offset: 0; }
.strip:has(.patches) { max-height: 32rem; }
.pictured { display: flex; flex-wrap: wrap; gap: 1rem; margin: .5rem 0; } .pictured .picture { flex: 0 1 24rem; } .pictured .strip { flex: 1 1 18rem; }
.strip:has(.patches) > span { margin: 0 .25rem .25rem 0; padding: 0 .35rem; } .strip .patches { display: grid; gap: 1px; margin: .3rem 0; }
.strip .patches span { aspect-ratio: 1; margin: 0; padding: 0; box-shadow: inset 0 0 0 1px var(--line); }
.strip .patches .top { box-shadow: inset 0 0 0 2px var(--sink); } .strip .high { outline: 2px dotted var(--others); outline-offset: -3px; }
.swatch.none { background: repeating-linear-gradient(135deg, var(--soft) 0 1px, transparent 1px 4px); outline: 1px solid var(--line); }
.swatch { display: inline-block; width: 1.1em; height: .9em; border-radius: 2px; }
details { margin-top: .5rem; font-size: .875rem; } summary { cursor: pointer; color: var(--soft); }
details .scroll { max-height: 22rem; overflow: auto; }
[hidden] { display: none !important; }
`;
