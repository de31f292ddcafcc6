/** The style of the report. Colours are variables, so that light and dark differ in one place. */

const light = `color-scheme: light; --page: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --dim: #5b6470; --line: #dfe3e8;
  --accent: #b4400e; --accent-soft: #fdeee4; --node: #eef2f9; --node-line: #b9c4d6; --fused: #fff4dc; --fused-line: #dcb95a;
  --terminal: #e5f4e3; --terminal-line: #94c58d; --added: #e2f5e4; --removed: #fde7e6; --hot: #e8590c; --buffer: #9db4d8;
  --live: #e8813a; --peak: #fdeee4; --tile: #dfe7f4; --added-line: #3f9a4d; --removed-line: #cf4a44;`;

const dark = `color-scheme: dark; --page: #14171b; --panel: #1b1f25; --ink: #e5e8ec; --dim: #99a2ae; --line: #2e353e;
  --accent: #fb9a5b; --accent-soft: #3a2617; --node: #222a36; --node-line: #44536a; --fused: #342c17; --fused-line: #8a7231;
  --terminal: #1d3020; --terminal-line: #47704a; --added: #173321; --removed: #3d1f20; --hot: #d9480f; --buffer: #4a628a;
  --live: #d9742f; --peak: #3a2617; --tile: #29344a; --added-line: #4fae60; --removed-line: #d9655f;`;

export const style = `
:root { ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
:root[data-theme="light"] { ${light} }
:root[data-theme="dark"] { ${dark} }
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; background: var(--page); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
[hidden] { display: none !important; }
button, select, input { font: inherit; color: inherit; }
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.top { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.2rem; padding: .6rem 1rem;
  border-bottom: 1px solid var(--line); }
h1 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.2rem 0 .4rem; overflow-wrap: anywhere; }
h3 { font-size: .8rem; margin: 0; padding: .2rem .6rem; color: var(--dim); font-weight: 600; }
.top dl { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: 0; flex: 1; }
.top dl div { display: flex; gap: .4rem; align-items: baseline; white-space: nowrap; }
.top dt { color: var(--dim); font-size: .8rem; }
.top dd { margin: 0; font-variant-numeric: tabular-nums; }
.top button, .bar button, .choices button { border: 1px solid var(--line); border-radius: 6px; background: var(--panel);
  padding: .15rem .6rem; }
.find { position: relative; }
.find input { width: 15rem; max-width: 60vw; padding: .25rem .6rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--panel); }
.results { position: absolute; right: 0; z-index: 5; margin: .2rem 0 0; padding: .3rem; list-style: none; width: 22rem;
  max-width: 90vw; max-height: 60vh; overflow: auto; background: var(--page); border: 1px solid var(--line);
  border-radius: 8px; box-shadow: 0 6px 24px #0003; }
.results button { display: block; width: 100%; border: 0; background: none;
  padding: .25rem .5rem; text-align: left; border-radius: 5px; color: var(--dim); }
.results b { display: block; font-weight: 500; color: var(--ink); overflow-wrap: anywhere; }
.results span { display: block; font-size: .8rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.results button:hover, .results button:focus { background: var(--accent-soft); }
.body { display: flex; flex: 1; min-height: 0; }
.side { width: 15rem; flex: none; overflow: auto; border-right: 1px solid var(--line); background: var(--panel);
  padding: .6rem .6rem 1rem; }
.side summary { font-weight: 600; margin-bottom: .4rem; }
.side label { display: block; font-size: .85rem; color: var(--dim); margin-bottom: .4rem; }
.passes { margin: 0; padding: 0; list-style: none; }
.passes button { display: block; width: 100%; text-align: left; border: 0; border-left: 3px solid transparent;
  background: none; padding: .25rem .5rem; border-radius: 0 6px 6px 0; }
.passes b { display: block; font-weight: 500; }
.passes span { font-size: .78rem; color: var(--dim); font-variant-numeric: tabular-nums; }
.passes button:hover { background: var(--accent-soft); }
.passes [aria-current="true"] { background: var(--accent-soft); border-left-color: var(--accent); }
.passes .same b { color: var(--dim); font-weight: 400; }
.keys { margin-top: 1rem; }
main { flex: 1; min-width: 0; min-height: 0; display: flex; flex-direction: column; }
nav { display: flex; gap: .2rem; padding: 0 .8rem; border-bottom: 1px solid var(--line); overflow-x: auto; flex: none; }
nav button { border: 0; border-bottom: 2px solid transparent; background: none; padding: .5rem .7rem; color: var(--dim); }
nav [aria-selected="true"] { color: var(--ink); border-bottom-color: var(--accent); font-weight: 600; }
.graph, .text { flex: 1; min-height: 0; display: flex; flex-direction: column; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem .6rem; padding: .4rem .8rem; font-size: .88rem;
  border-bottom: 1px solid var(--line); flex: none; }
.bar select { max-width: 12rem; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); padding: .1rem .2rem; }
.note { color: var(--dim); font-size: .85rem; margin: 0; }
.scroller { flex: 1; overflow: auto; min-height: 0; }
.scroller svg { display: block; margin: 0 auto; }
.node { cursor: pointer; outline: none; }
.node rect { fill: var(--node); stroke: var(--node-line); }
.node.fused rect { fill: var(--fused); stroke: var(--fused-line); }
.node.terminal rect { fill: var(--terminal); stroke: var(--terminal-line); }
.node.idle rect { stroke-dasharray: 4 3; }
.node.heated rect { fill: color-mix(in srgb, var(--hot) var(--heat), var(--node)); }
.node.equal { opacity: .55; }
.node.added rect { fill: var(--added); stroke: var(--added-line); stroke-width: 1.8; }
.node.removed rect { fill: var(--removed); stroke: var(--removed-line); stroke-width: 1.8; stroke-dasharray: 5 3; }
.node.changed rect { fill: var(--fused); stroke: var(--fused-line); stroke-width: 1.8; }
.node.removed .title { text-decoration: line-through; }
.node:hover rect { stroke: var(--accent); }
.node.selected rect, .node:focus-visible rect { stroke: var(--accent); stroke-width: 2.5; }
.node text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.node .title { font-weight: 600; }
.node .sub, .node .toggle { fill: var(--dim); font-size: 11px; }
.node.heated .sub { fill: var(--ink); }
.edge { fill: none; stroke: var(--node-line); stroke-width: 1.4; }
.edge.near { stroke: var(--accent); stroke-width: 2.2; }
.lines { flex: 1; min-height: 0; overflow: auto; background: var(--page); }
.lines-inner { position: relative; font: 12.5px/18px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.line { position: absolute; left: 0; min-width: 100%; height: 18px; white-space: pre; padding: 0 .8rem; }
.added { background: var(--added); }
.removed { background: var(--removed); }
.gap { color: var(--dim); font-style: italic; }
.page { overflow: auto; padding: .8rem 1rem 3rem; flex: 1; min-height: 0; }
.page > p { max-width: 60rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; min-width: 40rem; }
th, td { padding: .28rem .5rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--dim); font-weight: 500; position: sticky; top: 0; background: var(--page); }
.number { text-align: right; }
.link { border: 0; background: none; padding: 0; color: var(--accent); text-align: left; }
.link:hover { text-decoration: underline; }
.share { position: relative; display: inline-block; width: 7rem; background: var(--panel); border-radius: 3px; }
.share .fill { position: absolute; inset: 0 auto 0 0; background: color-mix(in srgb, var(--hot) 45%, transparent); border-radius: 3px; }
.share span:last-child { position: relative; padding-left: .4rem; }
.roofline { margin: .6rem 0 1rem; max-width: 60rem; }
.roofline svg { display: block; }
.roofline .note { min-height: 2.6em; }
.grid { stroke: var(--line); fill: none; }
.roof { stroke: var(--ink); stroke-width: 1.8; fill: none; }
.tick { fill: var(--dim); font: 11px system-ui, sans-serif; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.kernel { fill: color-mix(in srgb, var(--hot) 55%, transparent); stroke: var(--hot); cursor: pointer; }
.kernel.memory-bound { fill: color-mix(in srgb, var(--buffer) 70%, transparent); stroke: var(--buffer); }
.kernel:hover, .kernel:focus-visible { stroke: var(--ink); stroke-width: 2; }
.hint { padding: .4rem .7rem; background: var(--panel); border-left: 3px solid var(--accent); }
.memory { display: grid; grid-template-columns: auto 1fr; gap: .2rem .5rem; margin: .6rem 0; }
.memory svg { width: 100%; height: min(52vh, 26rem); background: var(--panel); border: 1px solid var(--line); }
.memory .scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; }
.memory .scale, .memory .axis { color: var(--dim); font-size: .8rem; font-variant-numeric: tabular-nums; }
.memory .axis { grid-column: 2; display: flex; justify-content: space-between; }
.memory .note { grid-column: 2; overflow-wrap: anywhere; min-height: 2.6em; }
.buffer { fill: var(--buffer); stroke: var(--page); stroke-width: 1; vector-effect: non-scaling-stroke; cursor: pointer; }
.buffer.live { fill: var(--live); }
.buffer:hover { stroke: var(--ink); stroke-width: 2; }
.peak { fill: var(--peak); }
.treemap { position: relative; width: 100%; aspect-ratio: 100 / 45; max-height: 30rem; }
.tile { position: absolute; overflow: hidden; border: 1px solid var(--page); background: var(--tile); padding: 2px 5px;
  font-size: 11px; line-height: 1.3; text-align: left; border-radius: 0; display: flex; flex-direction: column; justify-content: flex-start; }
.tile { container-type: size; }
@container (max-width: 2.6rem) or (max-height: 1.1rem) { .tile b, .tile span { display: none; } }
@container (max-height: 2rem) { .tile span { display: none; } }
.treemap + .note { margin-top: .3rem; overflow-wrap: anywhere; }
.tile b { flex: none; max-width: 100%; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.tile span { color: var(--dim); white-space: nowrap; }
button.tile:hover { outline: 2px solid var(--accent); z-index: 1; }
#details { flex: none; height: 44vh; display: flex; flex-direction: column; border-top: 2px solid var(--accent);
  background: var(--page); min-height: 0; }
#details header { display: flex; align-items: center; justify-content: space-between; padding: .3rem .8rem 0; }
#details h2 { margin: 0; }
.close { border: 0; background: none; font-size: 1.3rem; line-height: 1; padding: .1rem .4rem; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .2rem .8rem; max-height: 9.2em;
  overflow: auto; font-size: .88rem; flex: none; }
.facts dt { color: var(--dim); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.choices { display: flex; flex-wrap: wrap; gap: .3rem; padding: .2rem .8rem .3rem; font-size: .82rem; flex: none; color: var(--dim); }
.choices [aria-pressed="true"] { border-color: var(--accent); background: var(--accent-soft); color: var(--ink); }
.code { display: grid; grid-template-columns: 1fr 1fr; flex: 1; min-height: 0; border-top: 1px solid var(--line); }
.code section { display: flex; flex-direction: column; min-width: 0; min-height: 0; }
.code section + section { border-left: 1px solid var(--line); }
@media (max-width: 760px) {
  .top { padding: .5rem .7rem; }
  .top dl { flex-basis: 100%; font-size: .85rem; order: 3; }
  .find { flex: 1; }
  .find input { width: 100%; max-width: none; }
  .results { position: fixed; left: .7rem; right: .7rem; width: auto; max-width: none; }
  .body { flex-direction: column; }
  .side { width: auto; max-height: 38vh; border-right: 0; border-bottom: 1px solid var(--line); padding: .4rem .7rem; }
  .side summary { margin: 0; }
  .keys { display: none; }
  #details { height: 56vh; }
  body:has(#details:not([hidden])) :is(.top dl, .side, .bar .note) { display: none; }
  .code { grid-template-columns: 1fr; grid-template-rows: 1fr 1fr; }
  .code section + section { border-left: 0; border-top: 1px solid var(--line); }
  .treemap { aspect-ratio: 1; }
}
`;
