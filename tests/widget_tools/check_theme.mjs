// check_theme.mjs FOLDER: what Shopify's Theme Check finds in a theme app extension, as JSON.
import { check } from "@shopify/theme-check-node";

const offenses = await check(process.argv[2], `${process.argv[2]}/.theme-check.yml`);
console.log(JSON.stringify(offenses.map(({ check: name, message, uri }) => [name, uri.split("/").pop(), message])));
