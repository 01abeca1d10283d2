"use strict";

// The sandbox passes a token in the fragment of this page's URL: browsers never send that part, so no log has it.
// Only pages on loopback read it, so no link can make anybody use a deployed service in another user's name.
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
const notice = document.getElementById("notice");

function handedOver() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  return LOOPBACK.includes(location.hostname) ? token : null;
}

function signIn(ui, token, next) {
  ui.preauthorizeApiKey("BearerAuth", token);
  notice.textContent = `The token in this page's address is filled in: ${next}`;
}

// Swagger UI gives neither the body's text area nor the choice of an example a label.
function labelled({ React }) {
  const named = (Original) => (props) => React.createElement(Original, { ...props, "aria-label": "Request body" });
  const label = (around) => around?.querySelector("select").setAttribute("aria-label", "Examples");
  const inside = (Original) => (props) => React.createElement("div", { ref: label }, React.createElement(Original, props));
  return { wrapComponents: { TextArea: named, ExamplesSelect: inside } };
}

function followColors(dark) {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

async function show() {
  if (!window.SwaggerUIBundle) throw new Error("Its file has not come: the service may be busy.");
  const answer = await fetch("openapi.json");
  const spec = await answer.json();
  // The document names the published server; requests tried here go to the service that serves this page.
  spec.servers = [{ url: new URL(".", document.baseURI).href.replace(/\/$/, ""), description: "This service" }];
  const isAlone = Object.values(spec.paths).flatMap(Object.keys).length === 1;
  const next = isAlone ? "press Execute to send." : "open an operation and press its Execute.";
  const used = Object.values(spec.paths).flatMap((path) => Object.values(path).flatMap((given) => given.tags ?? []));
  spec.tags = spec.tags.filter((tag) => used.includes(tag.name));
  const token = handedOver();
  const ui = SwaggerUIBundle({
    spec,
    domNode: document.getElementById("reference"),
    docExpansion: isAlone ? "full" : "list",
    tryItOutEnabled: true,
    validatorUrl: null,
    // Its default theme writes numbers with a contrast below 4.5 to 1.
    syntaxHighlight: { theme: "tomorrow-night" },
    plugins: [labelled],
    onComplete: () => token && signIn(ui, token, next),
  });
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", followColors);
followColors(dark);
show().catch(() => {
  notice.textContent = "The page could not be loaded as a whole; reload it to try again.";
});
