/** The demo page: hands its access key to the component, and asks for one where the server does. */

const key = document.getElementById("key");
const portrait = document.querySelector("perkie-portrait");
portrait.token = () => key.value.trim();
portrait.addEventListener("perkie:error", ({ detail }) => {
  if (detail.code === "not_authorised") document.getElementById("access").open = true;
});
fetch("api/v1/quota").then((answer) => {
  answer.body?.cancel(); // else the browser waits for somebody to read it
  if (answer.status === 401) document.getElementById("access").open = true;
}, () => {});
