// Sends the chosen picture with the chosen options, and shows what comes back beside it.
const $ = (id) => document.getElementById(id);
const body = document.body;
const offer = JSON.parse(body.dataset.offer);
const BUSY = ["uploading", "working"];
const TRIES = 5;
const FAMILIES = {
  espcn: "Quickest.", fsrcnn: "Quick.", edsr: "Finest, and slow: large pictures take minutes.",
};

let picture = null; // the File that was chosen
let pictureUrl = "";
let resultUrl = "";
let shown = null; // what the result on show was made with
let request = null;
let clock = 0;
let tries = 0;

const chosen = (name) => document.querySelector(`[name="${name}"]:checked`)?.value;
const enhances = () => chosen("do") === "enhance";
const bytes = (n) => n < 1e6 ? `${Math.max(1, Math.round(n / 1e3))} kB` : `${(n / 1e6).toFixed(1)} MB`;
const seconds = (s) => `${s.toFixed(s < 10 ? 2 : 0)} s`;
const pixels = (img) => `${img.naturalWidth} × ${img.naturalHeight}`;

function enter(state) {
  body.dataset.state = state;
  $("at").disabled = state !== "done" || body.classList.contains("alone");
  $("view").tabIndex = -1;
  // Not disabled while it works: who pressed it by keyboard would lose their place.
  $("go").disabled = !picture;
  $("go").setAttribute("aria-disabled", !picture || BUSY.includes(state));
  if (state === "done") place();
  else seam("100%");
}

// --- options ---

function option(value, text) {
  const element = document.createElement("option");
  element.value = value;
  element.textContent = text;
  return element;
}

function offerModels() {
  const scale = Number(chosen("scale"));
  const names = Object.keys(offer.models).filter((name) => offer.models[name] === scale);
  $("model").replaceChildren(...names.map((name) => option(name, name)));
  hint();
}

function hint() {
  const family = $("model").value.split("-")[0];
  $("model-hint").textContent = FAMILIES[family] ?? "";
  const first = $("first").checked;
  $("first-hint").textContent = first ? "So that no face comes back sharper than it was sent."
    : "Faces are not looked for: they come back sharper than they were sent. Only for people who agreed.";
  $("first-hint").classList.toggle("warning", !first);
  $("go").textContent = !enhances() ? "Redact" : first ? "Redact and enhance" : "Enhance";
}

// --- the picture ---

function forget() {
  stop();
  clear();
  URL.revokeObjectURL(resultUrl);
  resultUrl = "";
  shown = null;
  body.classList.remove("alone", "closer");
  $("closer").setAttribute("aria-pressed", "false");
  $("after").removeAttribute("src");
}

async function choose(file) {
  if (!file) return;
  forget();
  URL.revokeObjectURL(pictureUrl);
  picture = file;
  pictureUrl = URL.createObjectURL(file);
  $("name").textContent = file.name;
  $("size").textContent = bytes(file.size);
  // Not shown before its shape is known: it would jump.
  $("before").hidden = true;
  $("before").src = pictureUrl;
  enter("chosen");
  try {
    await $("before").decode();
    shape($("before"));
    $("before").hidden = false;
    $("size").textContent = `${pixels($("before"))}, ${bytes(file.size)}`;
  } catch {
    if (picture !== file) return; // another one was chosen in the meantime
    body.classList.add("alone");
    say("This browser cannot show that picture. The server may still know how to read it.");
  }
}

function shape(img) {
  $("stage").style.setProperty("--shape", img.naturalWidth / img.naturalHeight);
  $("stage").style.setProperty("--width", img.naturalWidth);
}

// --- sending ---

function target() {
  const options = new URLSearchParams();
  if (chosen("format")) options.set("format", chosen("format"));
  if (enhances()) {
    options.set("scale", chosen("scale"));
    options.set("model", $("model").value);
    options.set("redact", $("first").checked);
  } else {
    options.set("style", chosen("style"));
  }
  return `v1/${chosen("do")}?${options}`;
}

function send() {
  if (!picture) return;
  stop();
  clear();
  if (offer.most_bytes && picture.size > offer.most_bytes) {
    fail(`This picture has ${bytes(picture.size)}; the server takes ${bytes(offer.most_bytes)} at most.`);
    return;
  }
  const sent = { redacts: !enhances() || $("first").checked, started: performance.now() };
  const mine = request = new XMLHttpRequest();
  mine.open("POST", target());
  mine.responseType = "blob";
  mine.setRequestHeader("Content-Type", picture.type || "application/octet-stream");
  if ($("token").value) mine.setRequestHeader("Authorization", `Bearer ${$("token").value}`);
  // Progress of the way there is known; that of the work is not.
  mine.upload.onprogress = (event) => event.lengthComputable && uploading(event.loaded / event.total);
  mine.upload.onload = () => working(performance.now());
  mine.onload = () => answered(mine, sent);
  mine.onerror = () => fail("The server does not answer. Is it still running?", true);
  mine.send(picture);
  uploading(0);
  say("Uploading");
  reveal();
}

/** On a small screen the button and the picture are not seen together. */
function reveal() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  $("stage").scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

function uploading(part) {
  enter("uploading");
  $("doing").textContent = "Uploading";
  $("figure").textContent = `${Math.floor(100 * part)} %`;
  $("bar").value = part;
}

function working(since) {
  enter("working");
  $("doing").textContent = "Working";
  $("bar").removeAttribute("value");
  const tick = () => { $("figure").textContent = `${Math.floor((performance.now() - since) / 1000)} s`; };
  tick();
  clearInterval(clock);
  clock = setInterval(tick, 250);
  say("Working");
}

function stop() {
  clearInterval(clock);
  const old = request;
  request = null;
  if (old) {
    old.onload = old.onerror = old.upload.onload = old.upload.onprogress = null;
    old.abort();
  }
}

// --- what came back ---

async function answered(mine, sent) {
  clearInterval(clock);
  if (mine.status === 200) return result(mine, sent);
  request = null;
  const why = await reason(mine.response);
  const given = mine.getResponseHeader("Retry-After");
  if (mine.status === 401) {
    const had = $("token").value;
    fail(had ? "The server does not know this access token." : "This server asks for an access token.");
    $("access").open = true;
    $("token").focus();
  } else if (mine.status === 429 || (mine.status === 503 && given)) {
    wait(mine.status === 429 ? "The server has its hands full." : `Not now. ${why}`, Math.ceil(Number(given)) || 2);
  } else if (mine.status === 413) {
    fail(`The server does not take a picture this large. ${why}`);
  } else if (mine.status >= 500) {
    fail(`The server could not do it, and gave no picture out. ${why}`, true);
  } else {
    const what = { 403: "does not answer to this page", 422: "cannot do that" };
    fail(`The server ${what[mine.status] ?? "cannot take this picture"}. ${why}`);
  }
}

/** What the server says of it, as a sentence; nothing where it says nothing that can be read. */
async function reason(blob) {
  try {
    const line = JSON.parse(await blob.text()).error;
    return line[0].toUpperCase() + line.slice(1) + (/[.!?]$/.test(line) ? "" : ".");
  } catch {
    return "";
  }
}

async function result(mine, sent) {
  const blob = mine.response;
  const header = (name) => mine.getResponseHeader(`Faceguard-${name}`);
  const url = URL.createObjectURL(blob);
  $("after").src = url;
  try {
    await $("after").decode();
  } catch {
    URL.revokeObjectURL(url);
    if (request === mine) fail("What came back is no picture that this browser can show.");
    return;
  }
  if (request !== mine) { // cancelled, or another picture was chosen, while this one was decoded
    URL.revokeObjectURL(url);
    if (shown) $("after").src = resultUrl;
    return;
  }
  request = null;
  URL.revokeObjectURL(resultUrl);
  resultUrl = url;
  shown = sent;
  tries = 0;
  shape($("after"));
  facts(blob, header);
  const kind = blob.type.split("/")[1]?.replace("jpeg", "jpg") || "png";
  const scale = header("Model") && header("Scale");
  const tail = (sent.redacts ? "-redacted" : "") + (scale ? `-x${scale}` : "");
  $("download").href = url;
  $("download").download = `${picture.name.replace(/\.[^.]*$/, "") || "picture"}${tail}.${kind}`;
  $("at").value = 50;
  const byKeyboard = document.activeElement === $("go");
  clear();
  enter("done");
  say(`Done. ${header("Notes") ?? ""}`);
  if (byKeyboard) $("at").focus({ preventScroll: true });
  reveal();

  function facts(made, of) {
    const faces = Number(of("Faces"));
    const whole = of("Covered-Whole") === "true";
    const found = faces ? `${faces} covered` : "None found";
    $("fact-faces").textContent = !sent.redacts ? "Not looked for" : whole ? "Whole picture covered" : found;
    $("fact-faces").title = of("Why") ?? "";
    $("fact-faces").classList.toggle("alarm", whole || !sent.redacts);
    const was = body.classList.contains("alone") ? "" : `${pixels($("before"))}, `;
    $("fact-before").textContent = `${was}${bytes(picture.size)}`;
    $("fact-after").textContent = `${pixels($("after"))}, ${bytes(made.size)}`;
    const model = of("Model");
    $("fact-model").textContent = model ? `${of("Scale")}×, ${model}` : "No";
    $("fact-time").textContent = seconds(Number(of("Seconds")) || (performance.now() - sent.started) / 1000);
  }
}

// --- what is said ---

function say(text) {
  $("status").textContent = text;
}

function clear() {
  say("");
  $("error").textContent = "";
  $("again").hidden = true;
}

function fail(text, again = false) {
  stop();
  clear();
  enter(shown ? "done" : "chosen");
  $("error").textContent = text.trim();
  $("again").hidden = !again;
  $("rest").hidden = true;
  $("retry").textContent = "Try again";
}

function wait(text, left) {
  const tired = ++tries > TRIES;
  fail(text, true);
  if (tired) return;
  $("rest").hidden = false;
  const tick = () => {
    if (left <= 0) return send();
    $("retry").textContent = `Again in ${left} s`;
    left -= 1;
  };
  tick();
  clock = setInterval(tick, 1000);
}

// --- before and after ---

function seam(where) {
  $("pair").style.setProperty("--seam", where);
}

/** Cuts the picture where the slider stands: in its actual size it lies elsewhere than the slider. */
function place() {
  const at = Number($("at").value);
  const cut = $("cut");
  cut.style.setProperty("--at", at);
  cut.style.setProperty("--before", at < 12 ? 0 : 1);
  cut.style.setProperty("--after", at > 88 ? 0 : 1);
  $("at").setAttribute("aria-valuetext", `${Math.round(at)} % before, ${Math.round(100 - at)} % after`);
  if (body.dataset.state !== "done") return;
  const over = cut.getBoundingClientRect();
  const under = $("pair").getBoundingClientRect();
  const part = (over.left + over.width * at / 100 - under.left) / under.width;
  seam(`${100 * Math.min(1, Math.max(0, part))}%`);
}

function closer() {
  const on = body.classList.toggle("closer");
  $("closer").setAttribute("aria-pressed", on);
  const view = $("view");
  view.tabIndex = on ? 0 : -1;
  if (on) {
    view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
    view.scrollTop = (view.scrollHeight - view.clientHeight) / 2;
  }
  place();
}

// --- who listens ---

offerModels();
enter("empty");
try {
  $("token").value = sessionStorage.getItem("token") ?? "";
} catch { /* storage may be switched off */ }

$("token").addEventListener("input", () => {
  try {
    sessionStorage.setItem("token", $("token").value);
  } catch { /* likewise */ }
});
$("file").addEventListener("change", () => {
  choose($("file").files[0]);
  $("file").value = ""; // so that the same file can be chosen again
});
$("form").addEventListener("change", (event) => {
  if (event.target.name === "scale") offerModels();
  hint();
});
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (BUSY.includes(body.dataset.state)) return;
  tries = 0;
  send();
});
$("retry").addEventListener("click", send);
$("rest").addEventListener("click", () => { stop(); clear(); });
$("stop").addEventListener("click", () => {
  stop();
  clear();
  enter(shown ? "done" : "chosen");
  say("Cancelled");
  $("go").focus();
});
$("closer").addEventListener("click", closer);
$("at").addEventListener("input", place);
$("view").addEventListener("scroll", place);
new ResizeObserver(place).observe($("stage"));

document.addEventListener("paste", (event) => choose(event.clipboardData?.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  body.classList.add("over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  body.classList.remove("over");
  choose(event.dataTransfer?.files[0]);
});
