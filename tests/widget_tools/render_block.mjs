// render_block.mjs FILE LOCALE, with the context as JSON on stdin: a block as Shopify would render it.
import { readFileSync } from "node:fs";
import { Liquid } from "liquidjs";

const [file, locale] = process.argv.slice(2);
const words = JSON.parse(readFileSync(locale, "utf8"));
const engine = new Liquid({ strictFilters: true });
engine.registerTag("schema", {
  parse(token, remaining) {
    while (remaining.length && remaining.shift().name !== "endschema");
  },
  render() {},
});
engine.registerFilter("t", (key) => key.split(".").reduce((found, part) => found[part], words));
process.stdout.write(await engine.parseAndRender(readFileSync(file, "utf8"), JSON.parse(readFileSync(0, "utf8"))));
