// Calls one function of the npm package "remove.bg" and prints what it gives or rejects with.
require("global-agent").bootstrap(); // part of that package's calls pass over HTTPS_PROXY
const [name, options] = process.argv.slice(2);
require("remove.bg")[name](JSON.parse(options)).then(
  (result) => console.log(JSON.stringify({ result })),
  (errors) => console.log(JSON.stringify({ errors })),
);
