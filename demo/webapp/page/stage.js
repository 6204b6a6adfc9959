// The first screen. Python sends what it knows of a photo as the value; asking is an event, whose
// data is in window.colorzoo.asked. What has to outlive a reload is in the browser's own storage.
const STORE = "colorzoo";
const LIMIT = props.value.max_bytes, MOST = props.value.max_photos, START = props.value;
const root = element.querySelector(".cz");
const find = (selector) => root.querySelector(selector);
const note = find(".note"), film = find(".film"), versions = find(".versions");
const url = (path) => `${window.gradio_config?.root ?? ""}/gradio_api/file=${path}`;
const view = viewer(find(".view"), { zoomed: () => sharpen() });
let photos = [], current = -1;  // {path, name, thumb, version, told, views}
let previous = null, problem = "", problems = [];
let marked = 0;  // counts what was dropped, so that late answers do not move the view
let visits = 0;  // counts what was forgotten

const waiting = {};  // by event: what it asks, for the script that Gradio runs when it sends it
window.colorzoo = {
  ...window.colorzoo,
  next: (event) => waiting[event]?.shift() ?? null,
  photo: () => photo()?.path && { path: photo().path },
};
window.colorzoo.failed = () => { flight = looking = null; idle(); look(); };  // Gradio tells why
const photo = () => photos[current];
const natural = { name: "Natural" };
const ask = (event, data) => {
  (waiting[event] ??= []).push(data);
  trigger(event);
};
const wanted = (each, extra = {}) => ({
  path: each.path, version: each.version, hints: each.hints ?? [], mark: each.mark ?? 0, side: side(),
  ...extra,
});
const side = (factor = 1) => [1024, 1600, 2560, 4000].find((size) => size >= factor * view.side()) ?? 4000;
const say = (text) => {
  if (note.textContent !== text) note.textContent = text;
  note.classList.toggle("problem", Boolean(text) && text === problem);
};

// The colours that a visitor chose are followed by the newest answer only; there is one at a time.
const QUICK = 1600;  // px; larger views wait until nothing changes
let flight = null, later = 0;
const fix = fixer(root, view, {
  photo, say,
  recolour: () => {
    const each = photo();
    Object.assign(each, { mark: (each.mark ?? 0) + 1, views: {} });
    store();
    fly();
  },
  suggest: (x, y) => ask("suggest", { path: photo().path, x, y }),
  stopped: () => { busy("Colouring …", "colour"); ask("show", wanted(photo())); },  // for the small pictures
});
function fly() {
  clearTimeout(later);
  root.dataset.busy = "colour";
  if (flight) return;
  flight = { each: photo(), mark: photo().mark };
  ask("pick", wanted(photo(), { side: Math.min(QUICK, side()) }));
}
function landed(each, told) {
  if (each !== flight?.each || told.mark !== flight.mark) return;
  flight = null;
  if (each !== photo()) return;
  if (each.mark !== told.mark) fly();
  else if (side() > QUICK) later = setTimeout(sharpen, 700);
}

// Photos come in -------------------------------------------------------------------------------

async function add(files) {
  files = [...files].filter((file) => !file.type || !/^(text|audio|video)\//.test(file.type) || file.size);
  if (!files.length) return;
  const room = MOST - photos.length;
  const left = files.slice(room);
  files = files.slice(0, room);
  const mine = ++marked, visit = visits;
  let isFirst = true;
  forgive();
  const told = left.length ? [`There can be ${MOST} photos at a time: ${left.length} were left out.`] : [];
  for (const [number, file] of files.entries()) {
    if (file.size > LIMIT) {
      told.push(`${file.name} has ${mega(file.size)}, more than ${mega(LIMIT)}: send a smaller copy.`);
      continue;
    }
    const many = files.length > 1 ? ` ${number + 1} of ${files.length}` : "";
    busy(`Uploading ${file.name}${many} …`);
    const preview = isFirst ? previewOf(file) : null;
    try {
      // Some systems give no type; the server looks at the file itself.
      const { path } = await upload(new File([file], file.name || "photo.png", { type: file.type || "application/octet-stream" }));
      if (visit !== visits) return;  // forgotten meanwhile
      const known = photos.findIndex((each) => each.path === path);
      const entry = { path, name: file.name || "photo", version: natural, views: {} };
      if (known < 0) {
        photos.push(entry);
        thumbOf(file).then((thumb) => { entry.gray = thumb; draw(); }, () => look(entry));
      }
      if ((isFirst || !photo()) && mine === marked) {
        isFirst = false;
        choose(known < 0 ? photos.length - 1 : known, { preview });
      }
    } catch (error) {
      told.push(files.length > 1 ? `${file.name}: ${error.message || error}` : `${error.message || error}`);
    }
    draw();
  }
  if (root.dataset.busy === "upload") idle();
  if (told.length) fail(...told);
  store();
}
// What the browser can show of a photo is shown at once, without colour.
function previewOf(file) {
  const source = URL.createObjectURL(file);
  if (root.dataset.state === "empty") view.move(10, { quietly: true });
  const shown = view.show(source, source, { isGray: true, alt: ["The photo", ""] }).then(
    (isShown) => { if (isShown) root.dataset.state = "result"; goThere(); },
    () => {},  // HEIC, TIFF and others: the server decodes them
  );
  return { shown, source };
}
async function thumbOf(file) {
  const bitmap = await createImageBitmap(file, { resizeWidth: 144, resizeQuality: "medium" });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", 0.8);
}
// What the browser cannot show, the server looks at, one after another while nothing else is asked:
// it answers with a small picture, or with what is wrong with the file.
const unseen = [];
let looking = null;
function look(entry) {
  if (entry) unseen.push(entry);
  if (looking || root.dataset.busy) return;
  looking = unseen.shift() ?? null;
  if (looking && photos.includes(looking) && !looking.told) return ask("look", { path: looking.path });
  if (looking) { looking = null; look(); }
}
camera(root, { add, say });
// What went wrong stays in sight until the visitor goes on.
function fail(...words) {
  problems = [...new Set([...problems, ...words.map(String)])];
  const more = problems.length - 3;
  problem = [...problems.slice(0, 3), ...(more > 0 ? [`And ${more} more.`] : [])].join("\n");
  say(problem);
}
function forgive() { [problem, problems] = ["", []]; }
const mega = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 1 : 0)} MB`;
const busy = (text, what = "upload") => { root.dataset.busy = what; say(text); };
const idle = () => { delete root.dataset.busy; look(); say(problem || (photo()?.told?.notes ?? []).join(" ")); };
function goThere() {
  const top = root.getBoundingClientRect().top;
  if (top < 0 || top > 0.5 * window.innerHeight) root.scrollIntoView({ block: "start" });
}

for (const button of root.querySelectorAll(".choose"))
  button.addEventListener("click", () => find(".files").click());
for (const input of [find(".files"), find(".camera")])
  input.addEventListener("change", () => { add(input.files).finally(() => { input.value = ""; }); });
const isHere = () => root.getClientRects().length > 0;  // another tab may be open
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length && isHere()) { event.preventDefault(); add(files); }
});
let depth = 0;
const carries = (event) => isHere() && [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; root.classList.add("over"); } });
document.addEventListener("dragleave", (event) => { if (carries(event) && --depth <= 0) { depth = 0; root.classList.remove("over"); } });
document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  depth = 0;
  root.classList.remove("over");
  filesOf(event.dataTransfer, { types: find(".files").accept, most: MOST }).then((files) => (files.length ? add(files) : fail("There is no photo in this folder.")), fail);
});

// One of them is shown -------------------------------------------------------------------------

function choose(number, { preview = null } = {}) {
  if (photo() !== photos[number]) fix.stop({ isQuiet: true });
  if (photo() && photo() !== photos[number]) previous = photo();
  if (root.dataset.state === "empty") view.move(10, { quietly: true });
  current = number;
  const each = photo(), ready = each.views[each.version.name];
  if (!preview && ready) showView(each, ready);
  busy("Colouring …", "colour");
  if (preview) each.preview = preview;
  ask("show", wanted(each));
  draw();
  store();
}
async function showView(each, { before, view: after }) {
  const { width, height, name } = each.told ?? {};
  await each.preview?.shown;
  try {
    const isShown = await view.show(url(before), url(after), {
      width, height, alt: [`${name ?? each.name} without colour`, `${name ?? each.name} in colour`],
    });
    if (!isShown) return;
  } catch {
    return fail("The result is no longer here, because photos are deleted after an hour: choose the photo again.");
  }
  if (each.preview) {
    URL.revokeObjectURL(each.preview.source);
    each.preview = null;
    goThere();
  }
  root.dataset.state = "result";
  root.dataset.version = each.version.name;
}
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
watch("value", () => {
  const told = props.value, before = photo();
  if (told?.said) return say(told.said);
  const each = photos.find((one) => one.path === told?.photo);
  if (told?.photo === looking?.path) { looking = null; look(); }
  if (!each) return;
  if (told.colours) return each === photo() && fix.suggested(told);
  if (told.error) {
    const isShown = each === photo();
    if (flight?.each === each) flight = null;
    photos = photos.filter((one) => one !== each);
    if (!photos.length) reset();
    else if (isShown) choose(Math.max(0, photos.indexOf(previous)));
    else current = photos.indexOf(before);
    fail(told.error);
    if (isShown) note.scrollIntoView({ block: "nearest" });
    store();
    return draw();
  }
  if (told.gray) {
    each.thumb ??= told.gray;
    return draw();
  }
  const isOld = told.mark !== (each.mark ?? 0);  // other colours are wanted by now
  each.told = { ...each.told, ...told };
  landed(each, told);
  const name = (each.told.versions ?? []).find((one) => slug(one.name) === told.version)?.name
    ?? (slug(each.version.name) === told.version ? each.version.name : null);
  const known = each.views[name], isBetter = !isOld && !(known?.side > told.side);
  if (name && told.before && isBetter) each.views[name] = { before: told.before, view: told.view, side: told.side };
  each.thumb = each.told.versions?.find((one) => one.name === each.version.name)?.thumb ?? each.thumb;
  if (each === photo() && slug(each.version.name) === told.version && !isOld) {
    const isWanted = () => each === photo() && slug(each.version.name) === told.version && !flight;
    Promise.resolve(isBetter && showView(each, told)).then(() => {
      if (each.told.versions && isWanted()) idle();
    });
  }
  draw();
  store();
});
function pick(version) {
  const each = photo();
  forgive();
  const { name, vividness, seed, model } = version;
  each.version = { name, vividness, seed, model };
  each.thumb = version.thumb;
  const ready = each.views[version.name];
  if (ready) {
    idle();
    showView(each, ready);
  } else {
    busy(`Colouring: ${version.name} …`, "colour");
    ask("pick", wanted(each));
  }
  draw();
  store();
}
function sharpen() {
  const each = photo();
  if (each) ask("pick", wanted(each, { side: side() }));
}

function draw() {
  const each = photo();
  root.classList.toggle("many", photos.length > 1);
  refill(film, photos.length > 1 ? photos : [], (one) => {
    const button = make("button", { type: "button", title: one.name });
    button.setAttribute("aria-label", one.name);
    if (one.thumb) button.append(make("img", { src: url(one.thumb), alt: "" }));
    else if (one.gray) button.append(make("img", { src: one.gray, alt: "", className: "gray" }));
    else button.append(make("span", { textContent: one.name }));
    button.addEventListener("click", () => { forgive(); choose(photos.indexOf(one)); });
    return button;
  });
  [...film.children].forEach((button, number) => button.setAttribute("aria-pressed", number === current));
  const told = each?.told;
  refill(versions, told?.versions ?? [], (one) => {
    const button = make("button", { type: "button", className: "version" });
    button.append(make("img", { src: url(one.thumb), alt: "" }), make("span", { textContent: one.name }));
    button.dataset.name = one.name;
    button.addEventListener("click", () => pick(one));
    return button;
  });
  for (const button of versions.children)
    button.setAttribute("aria-pressed", button.dataset.name === each?.version.name);
  fix.draw();
  find(".size").textContent = told?.width ? `${told.width} × ${told.height} px` : "";
}
// Buttons that are the same stay, and with them the focus.
function refill(place, list, button) {
  const key = JSON.stringify(list.map((one) => [one.path, one.name, one.thumb, Boolean(one.gray)]));
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...list.map(button));
}
const make = (tag, values) => Object.assign(document.createElement(tag), values);

// It is taken home -----------------------------------------------------------------------------

const format = find(".format");
format.addEventListener("change", store);
find(".download").addEventListener("click", () => {
  if (!photo()?.told) return say("The photo is not coloured yet.");
  ask("save", wanted(photo(), { format: format.value }));
});
for (const button of root.querySelectorAll(".post"))
  button.addEventListener("click", () => {
    if (photo()?.told) ask("post", wanted(photo(), { split: button.classList.contains("split") }));
  });
find(".zip").addEventListener("click", () => {
  window.colorzoo.packing = crypto.getRandomValues(new Uint32Array(2)).join("-");
  ask("pack", { id: window.colorzoo.packing, format: format.value,
    photos: photos.map((each) => wanted(each)) });
  setTimeout(() => document.querySelector("#packing")?.scrollIntoView({ block: "nearest" }), 500);
});
find(".all").addEventListener("click", () => {
  for (const each of photos) {
    each.version = { ...photo().version };
    each.thumb = each.told?.versions?.find((one) => one.name === each.version.name)?.thumb ?? each.thumb;
  }
  draw();
  store();
  say(`All ${photos.length} photos are now “${photo().version.name}”.`);
});
find(".compare").addEventListener("click", () => trigger("compare"));

// It is remembered on this device --------------------------------------------------------------

function store() {
  const kept = photos.map(({ path, name, version, thumb, hints }) => ({ path, name, version, thumb, hints }));
  try {
    if (kept.length) localStorage.setItem(STORE, JSON.stringify({ photos: kept, current, format: format.value }));
    else localStorage.removeItem(STORE);
  } catch { /* the browser may not allow it */ }
}
function reset() {
  fix.stop({ isQuiet: true });
  photos = [];
  current = -1;
  delete root.dataset.busy;
  delete root.dataset.version;
  root.dataset.state = "empty";
  view.move(50, { quietly: true });
  view.show(url(START.hero.before), url(START.hero.view), {
    alt: ["An example without colour", "The example in colour"],
  }).catch(() => {});
  draw();
  store();
}
find(".forget").addEventListener("click", () => {
  marked += 1;
  visits += 1;
  forgive();
  reset();
  say("Forgotten on this device. The server deletes its copies within an hour.");
});

find("#examples .row").append(...START.examples.map((each) => {
  const button = make("button", { type: "button", title: each.title });
  button.setAttribute("aria-label", `Example: ${each.title}`);
  button.append(make("img", { src: url(each.thumb), alt: "" }));
  button.addEventListener("click", () => {
    marked += 1;
    forgive();
    const known = photos.findIndex((one) => one.path === each.path);
    if (known < 0) photos.push({ path: each.path, name: each.title, version: natural, views: {} });
    choose(known < 0 ? photos.length - 1 : known);
    goThere();
  });
  return button;
}));

let kept = null;
try { kept = JSON.parse(localStorage.getItem(STORE)); } catch { /* nothing is kept */ }
const good = (Array.isArray(kept?.photos) ? kept.photos : []).filter((each) => typeof each?.path === "string");
reset();
if (good.length) restore(good);
async function restore(all) {
  if (["jpg", "png", "tif"].includes(kept.format)) format.value = kept.format;
  const isThere = (each) => fetch(url(each.path), { method: "HEAD" }).then((answer) => answer.ok, () => false);
  const there = await Promise.all(all.map(isThere));
  if (photos.length) return;  // the visitor was quicker
  photos = all.filter((_, number) => there[number])
    .map((each) => ({ name: "photo", version: natural, ...each, views: {} }));
  const last = all[kept.current | 0];
  if (photos.length) choose(Math.max(0, photos.findIndex((each) => each.path === last?.path)));
  if (photos.length < all.length) {
    fail("Photos that you had here are gone, because the server deletes them within an hour.");
  }
}
