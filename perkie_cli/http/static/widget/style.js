/** The look. A constructable sheet, because a page's policy may forbid <style>; colours follow the page's scheme. */

export const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host {
  --paper: var(--perkie-paper, light-dark(#fff, #231f1b));
  --ink: var(--perkie-ink, light-dark(#26211c, #efe8de));
  --quiet: var(--perkie-quiet, light-dark(#665d53, #b3a899));
  --line: var(--perkie-line, light-dark(#d6cdc0, #4a433b));
  --accent: var(--perkie-accent, light-dark(#8c4219, #e8a276));
  --bad: var(--perkie-bad, light-dark(#a3261b, #ff9d8f));
  --soft: var(--perkie-soft, light-dark(#f2ece2, #2f2a24));
  --radius: var(--perkie-radius, 14px);
  font: var(--perkie-font, inherit); color: var(--ink); line-height: 1.45;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
p { margin: 0; }
.frame { display: grid; gap: 14px; min-width: 0; }
.drop { display: grid; gap: 8px; justify-items: center; text-align: center; padding: 20px 14px; background: var(--paper); border: 2px dashed var(--line); border-radius: var(--radius); }
.drop.over { border-color: var(--accent); }
.asking { min-height: 96px; }
.small { padding: 10px; }
.small .asking { min-height: 0; }
.small p { display: none; }
.quiet { color: var(--quiet); font-size: .875em; }
button { font: inherit; color: var(--accent); background: var(--paper); border: 1px solid currentColor; border-radius: calc(var(--radius) / 2); min-height: 44px; padding: 8px 16px; cursor: pointer; }
button.choose, button.primary { background: var(--accent); color: var(--paper); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.message:empty, .quota:empty, .actions:not(:has(> :not([hidden]):not(:empty))) { display: none; }
.message.bad { color: var(--bad); }
.actions :empty { display: none; }
.actions { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; }
progress { width: 100%; height: 8px; accent-color: var(--accent); }
.result { display: grid; gap: 12px; min-width: 0; outline-offset: 6px; }
.compare { position: relative; overflow: hidden; max-height: 70vh; border-radius: var(--radius); background: var(--soft); justify-self: center; width: 100%; }
.compare img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.compare img:first-child { visibility: hidden; }
.compare.both img:first-child { visibility: visible; }
.compare.both { --x: calc(22px + (100% - 44px) * var(--at)); }
.compare.both .after { clip-path: inset(0 0 0 var(--x)); }
.compare.both:not(.cutout) .after, .compare.both img:first-child { object-fit: cover; }
.compare.cutout .after { background: var(--soft); }
.compare.both::after { content: ""; position: absolute; inset: 0 auto 0 var(--x); width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 3px #000a; pointer-events: none; }
.compare input { appearance: none; position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; background: none; cursor: ew-resize; touch-action: pan-y; z-index: 1; }
.compare input:focus-visible { outline-offset: -4px; }
.compare ::-webkit-slider-thumb { appearance: none; width: 44px; height: 44px; border-radius: 50%; border: 3px solid #fff; background: #0003; box-shadow: 0 0 4px #000a; }
.compare ::-moz-range-thumb { width: 38px; height: 38px; border-radius: 50%; border: 3px solid #fff; background: #0003; box-shadow: 0 0 4px #000a; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(132px, 44%), 1fr)); gap: 12px; border: 0; margin: 0; padding: 0; min-width: 0; }
legend { padding: 0 0 8px; font-weight: 600; }
.card { position: relative; display: flex; flex-direction: column; background: var(--paper); border: 1px solid var(--line); border-radius: calc(var(--radius) * .7); }
.card label { display: grid; padding: 8px; gap: 2px; flex: 1; align-content: start; cursor: pointer; }
.card:not(.filled) label { cursor: default; }
.card:has(:checked) { border-color: var(--accent); box-shadow: 0 0 0 2px var(--accent); }
.card:has(:focus-visible) { outline: 3px solid var(--accent); outline-offset: 3px; }
.card input { position: absolute; opacity: 0; }
.picture { display: block; aspect-ratio: 1; background: var(--soft); border-radius: calc(var(--radius) * .4); overflow: hidden; }
.picture img { display: block; width: 100%; height: 100%; object-fit: cover; }
.cutout .picture img { object-fit: contain; }
.name { font-weight: 600; overflow-wrap: anywhere; }
.facts { overflow-wrap: anywhere; }
.ask { margin: 0 8px 8px; padding: 4px 8px; }
.busy .picture { background: linear-gradient(100deg, var(--soft) 40%, var(--paper) 50%, var(--soft) 60%) 0 0 / 300% 100%; animation: wait 1.6s linear infinite; }
@keyframes wait { from { background-position: 150% 0; } to { background-position: -150% 0; } }
@media (prefers-reduced-motion: reduce) { .busy .picture { animation: none; } }
@media (any-pointer: coarse) { .wide { display: none; } }
@media (forced-colors: active) { .card:has(:checked) { outline: 3px solid Highlight; } }`);
