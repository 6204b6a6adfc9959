// "Fix a colour": points on the picture, each with a colour that the visitor chose. Positions are
// pixels of the upright photo. The photo's entry has them as hints: rows of [x, y, "#rrggbb" or null].
const PLAIN = [["red", "#b03020"], ["orange", "#c87020"], ["yellow", "#c8a830"], ["green", "#4a7a3a"],
  ["turquoise", "#3a8a8a"], ["blue", "#3058a0"], ["violet", "#704a90"], ["pink", "#c87890"],
  ["brown", "#80583a"]];  // what the field of any other colour offers first
function fixer(root, view, { photo, recolour, suggest, stopped, say }) {
  const MOST = 1000, NEAR = 22;  // points; CSS pixels
  const find = (selector) => root.querySelector(selector);
  const panel = find(".fix"), home = panel.parentElement, place = view.frame.closest(".cz-view");
  const lead = find(".fix .lead-in"), swatches = find(".swatches"), own = find(".own input");
  const palette = find(".palette");
  const layer = document.createElement("div");
  layer.className = "points";
  layer.setAttribute("role", "group");
  layer.setAttribute("aria-label", "Points on the picture");
  layer.innerHTML = `<div class="aim" tabindex="0" role="application"
    aria-label="Cursor on the picture: arrow keys move it, Enter sets a point"></div>`;
  view.frame.append(layer);
  const aim = layer.firstElementChild, target = { x: 0.5, y: 0.5 };
  const tap = window.matchMedia("(pointer: coarse)").matches ? "Tap" : "Click";
  find("#plain-colours").append(...PLAIN.map(([label, value]) => Object.assign(document.createElement("option"), { label, value })));
  let isOn = false, isChanged = false, shareBefore = 10, wantsFocus = false;
  let draft = null, selected = -1, colours = [];  // a draft is a point without a colour yet
  let asking = 0, lastKey = -Infinity;
  let picking = false;  // whether the colour field is open and has changed the point already

  const size = () => [photo().told.width, photo().told.height];
  const hints = () => photo()?.hints ?? [];
  const point = () => draft ?? hints()[selected] ?? null;
  const inside = (value, length) => Math.min(length - 1, Math.max(0, Math.floor(value * length)));
  const at = ({ clientX, clientY }) => {
    const box = view.frame.getBoundingClientRect(), [width, height] = size();
    return [inside((clientX - box.left) / box.width, width), inside((clientY - box.top) / box.height, height)];
  };
  const share = (row) => row.slice(0, 2).map((value, axis) => (value + 0.5) / size()[axis]);
  const where = (row) => {
    const [across, down] = share(row).map((value) => Math.round(100 * value));
    return `${across} % across, ${down} % down`;
  };

  // What is asked, and undone ------------------------------------------------------------------

  function change(rows, { isNext = false } = {}) {
    const each = photo();
    if (!isNext) (each.past ??= []).push(hints());
    each.hints = rows;
    isChanged = true;
    recolour();
    draw();
  }
  function open(row, { wait = 0 } = {}) {  // the palette, for a point
    colours = [];
    picking = false;
    clearTimeout(asking);
    if (row) asking = setTimeout(() => suggest(row[0], row[1]), wait);
    draw();
  }
  function select(number) {
    [draft, selected] = [null, number];
    open(point());
  }
  function put(row) {
    if (hints().length >= MOST) return say(`There can be ${MOST} points at most.`);
    [draft, selected] = [row, -1];
    open(row);
  }
  function colour(value, options) {
    if (draft) {
      const rows = [...hints(), [draft[0], draft[1], value]];
      [draft, selected] = [null, rows.length - 1];
      change(rows, options);
    } else if (selected >= 0 && hints()[selected][2] !== value) {
      change(hints().map((row, number) => (number === selected ? [row[0], row[1], value, ...row.slice(3)] : row)), options);
    }
  }
  function moveTo(number, row, options = {}) {
    if (draft) draft = row;
    else change(hints().map((each, other) => (other === number ? [row[0], row[1], ...each.slice(2)] : each)), options);
    open(point(), options);
  }
  function remove() {
    if (draft) return select(-1);
    const rows = hints().filter((_, number) => number !== selected);
    selected = -1;
    change(rows);
    aim.focus({ preventScroll: true });
  }
  find(".undo").addEventListener("click", () => {
    const past = photo().past?.pop();
    const isDraft = Boolean(draft);
    [draft, selected] = [null, -1];
    if (isDraft && past) photo().past.push(past);
    else if (past) change(past, { isNext: true });
    draw();
  });
  find(".clear").addEventListener("click", () => {
    [draft, selected] = [null, -1];
    change([]);
  });
  find(".stays-gray").addEventListener("click", () => colour(null));
  find(".remove").addEventListener("click", remove);
  own.addEventListener("input", () => { colour(own.value, { isNext: picking }); picking = true; });
  own.addEventListener("change", () => { colour(own.value, { isNext: picking }); picking = false; });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !point()) return;
    event.preventDefault();
    select(-1);
    aim.focus({ preventScroll: true });
  });

  // Points are set, moved and chosen -----------------------------------------------------------

  layer.addEventListener("click", (event) => {
    if (event.target === layer) { wantsFocus = false; put(at(event)); }
  });
  // Where two points overlap, the nearer one is meant.
  const nearest = (event, dot) => {
    const gap = (one) => {
      const box = one.getBoundingClientRect();
      return Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    };
    return [...layer.querySelectorAll(".dot")].filter((one) => gap(one) < NEAR)
      .sort((a, b) => gap(a) - gap(b))[0] ?? dot;
  };
  layer.addEventListener("pointerdown", (event) => {
    event.stopPropagation();  // the line between before and after stays where it is
    if (event.button || !event.target.matches(".dot")) return;
    event.preventDefault();
    const dot = nearest(event, event.target), number = dots().indexOf(dot);
    const [x, y] = [event.clientX, event.clientY];
    let row = null;
    const follow = (moved) => {
      if (moved.pointerId !== event.pointerId) return;
      if (!row && Math.hypot(moved.clientX - x, moved.clientY - y) < 4) return;
      row = at(moved);
      position(dot, row);
    };
    const end = (last) => {
      if (last.pointerId !== event.pointerId) return;
      dot.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) dot.removeEventListener(name, end);
      wantsFocus = false;
      if (last.type === "pointercancel") return draw();
      const isDraft = draft && number === hints().length;
      if (!isDraft && (draft || number !== selected)) {
        [draft, selected] = [null, number];
        if (!row) open(point());
      }
      if (row) moveTo(number, row);
    };
    dot.setPointerCapture(event.pointerId);
    dot.focus({ preventScroll: true });
    dot.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) dot.addEventListener(name, end);
  });
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  // Arrow keys go on by 8 pixels of the screen, with Shift by one pixel of the photo.
  const step = (event, axis) => {
    const screen = [view.frame.clientWidth, view.frame.clientHeight][axis];
    return STEPS[event.key][axis] * (event.shiftKey ? 1 / size()[axis] : 8 / screen);
  };
  layer.addEventListener("keydown", (event) => {
    const isAim = event.target === aim, isStep = event.key in STEPS, number = dots().indexOf(event.target);
    const isSet = ["Enter", " "].includes(event.key);
    if (isAim ? !isStep && !isSet && event.key !== "Escape" : !isStep && !["Delete", "Backspace", "Escape"].includes(event.key))
      return;  // a point is a button: Enter chooses it
    event.preventDefault();
    if (event.key === "Escape") return select(-1);
    if (isAim && isStep) {
      target.x = Math.min(1, Math.max(0, target.x + step(event, 0)));
      target.y = Math.min(1, Math.max(0, target.y + step(event, 1)));
      drawAim();
      aim.scrollIntoView({ block: "nearest", inline: "nearest" });
      return say(`Cursor at ${Math.round(100 * target.x)} % across, ${Math.round(100 * target.y)} % down.`);
    }
    if (isAim) {
      wantsFocus = true;
      return put([inside(target.x, size()[0]), inside(target.y, size()[1])]);
    }
    if (number < hints().length && number !== selected) [draft, selected, lastKey] = [null, number, -Infinity];
    if (!isStep) return remove();
    const [across, down] = share(point()), isNext = event.timeStamp - lastKey < 1000;
    lastKey = event.timeStamp;  // keys that follow one another are one move, also for Undo
    moveTo(number, [inside(across + step(event, 0), size()[0]), inside(down + step(event, 1), size()[1])], { isNext, wait: 250 });
  });
  layer.addEventListener("click", (event) => {  // of keys; of a pointer, pointerup has done it
    const number = dots().indexOf(event.target);
    if (number >= 0 && event.detail === 0 && number < hints().length) { wantsFocus = true; select(number); }
  });

  // It is drawn --------------------------------------------------------------------------------

  const dots = () => [...layer.querySelectorAll(".dot")];
  function position(dot, row) {
    const [across, down] = share(row);
    [dot.style.left, dot.style.top] = [`${100 * across}%`, `${100 * down}%`];
  }
  function drawAim() {
    [aim.style.left, aim.style.top] = [`${100 * target.x}%`, `${100 * target.y}%`];
  }
  function draw() {
    const rows = hints(), all = draft ? [...rows, draft] : rows;
    const opener = find(".fix-colour");
    opener.textContent = rows.length ? `Fix a colour (${rows.length})` : "Fix a colour";
    if (!isOn) return;
    while (dots().length > all.length) dots().at(-1).remove();
    while (dots().length < all.length) {
      const dot = document.createElement("button");
      [dot.type, dot.className] = ["button", "dot"];
      layer.append(dot);
    }
    for (const [number, dot] of dots().entries()) {
      const row = all[number], isDraft = number === rows.length;
      position(dot, row);
      dot.style.setProperty("--colour", isDraft ? "transparent" : row[2] ?? "#8a8a8a");
      dot.classList.toggle("draft", isDraft);
      dot.setAttribute("aria-pressed", isDraft || number === selected);
      dot.setAttribute("aria-label", `Point ${number + 1}, ${isDraft ? "no colour yet" : nameOf(row[2])}, ${where(row)}`);
    }
    const row = point();
    palette.hidden = !row;
    lead.hidden = Boolean(row);
    lead.textContent = rows.length
      ? `${tap} the picture for another point, or drag a point to move it.`
      : `${tap} the picture where a colour is wrong.`;
    find(".undo").disabled = !photo()?.past?.length && !draft;
    find(".clear").disabled = find(".save-points").disabled = !rows.length;
    find(".remove").textContent = draft ? "Cancel" : "Remove";
    if (row) drawPalette(row);
  }
  function drawPalette(row) {
    const now = draft ? undefined : row[2];
    find(".stays-gray").setAttribute("aria-pressed", now === null);
    find(".faint").hidden = !colours.length || colours.length > 2;
    if (!picking) own.value = now ?? colours[0] ?? "#b03020";
    const shown = colours.length ? colours : Array(8).fill(null);
    const key = JSON.stringify(shown);
    if (swatches.dataset.key !== key) {
      swatches.dataset.key = key;
      swatches.replaceChildren(...shown.map((value) => {
        const button = document.createElement("button");
        [button.type, button.className, button.disabled] = ["button", "swatch", !value];
        if (!value) button.setAttribute("aria-label", "Finding colours");
        else {
          button.style.background = button.dataset.colour = value;
          button.title = nameOf(value);
          button.setAttribute("aria-label", nameOf(value));
          button.addEventListener("click", () => colour(value));
        }
        return button;
      }));
      swatches.scrollLeft = 0;
      if (wantsFocus && colours.length) {
        wantsFocus = false;
        swatches.firstElementChild.focus();
      }
    }
    for (const button of swatches.children)
      button.setAttribute("aria-pressed", Boolean(now) && button.dataset.colour === now);
  }
  function nameOf(value) {
    if (!value) return "stays gray";
    const [red, green, blue] = [1, 3, 5].map((from) => parseInt(value.slice(from, from + 2), 16));
    const most = Math.max(red, green, blue), least = Math.min(red, green, blue), range = most - least;
    const light = (most + least) / 510;
    const tone = light < 0.3 ? "dark " : light > 0.72 ? "light " : "";
    if (range < 14) return `${tone}gray ${value}`;
    const turn = most === red ? (green - blue) / range : most === green ? 2 + (blue - red) / range : 4 + (red - green) / range;
    const hue = (60 * turn + 360) % 360;
    const names = [[15, "red"], [40, light < 0.5 ? "brown" : "orange"], [68, "yellow"], [160, "green"],
      [195, "turquoise"], [255, "blue"], [290, "violet"], [340, "pink"], [361, "red"]];
    return `${tone}${range < 45 ? "grayish " : ""}${names.find(([end]) => hue < end)[1]} ${value}`;
  }

  // The mode -----------------------------------------------------------------------------------

  function start() {
    if (isOn) return;
    if (!photo()?.told?.width) return say("The photo is not coloured yet.");
    [isOn, isChanged, draft, selected] = [true, false, null, -1];
    shareBefore = view.share();
    view.move(0, { quietly: true });  // all of it in colour
    root.classList.add("fixing");
    panel.hidden = find(".points-files").hidden = false;
    drawAim();
    draw();
    const isCut = root.getBoundingClientRect().top < 0 || panel.getBoundingClientRect().bottom > window.innerHeight;
    if (isCut) root.scrollIntoView({ block: "start", behavior: "instant" });
    aim.focus({ preventScroll: true });
  }
  function stop({ isQuiet = false } = {}) {
    if (!isOn) return;
    isOn = false;
    [draft, selected] = [null, -1];
    for (const dot of dots()) dot.remove();
    view.move(shareBefore, { quietly: true });
    root.classList.remove("fixing");
    panel.hidden = find(".points-files").hidden = true;
    if (isQuiet) return;
    find(".fix-colour").focus({ preventScroll: true });
    if (isChanged) stopped();
  }
  find(".fix-colour").addEventListener("click", start);
  find(".fix .done").addEventListener("click", () => stop());
  document.addEventListener("fullscreenchange", () => {
    if (document.fullscreenElement === place) place.append(panel); else home.prepend(panel);
  });

  // Points as a file ---------------------------------------------------------------------------

  find(".save-points").addEventListener("click", () => {
    const rows = hints().map(([x, y, color, radius = 1]) => ({ x, y, color, radius }));
    const text = JSON.stringify({ version: 1, hints: rows }, null, 2);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text + "\n"], { type: "application/json" }));
    link.download = `${photo().name.replace(/\.[^.]*$/, "") || "photo"}.hints.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  const picker = find(".points-file");
  find(".load-points").addEventListener("click", () => picker.click());
  picker.addEventListener("change", async () => {
    const [file] = picker.files;
    if (!file) return;
    try {
      const rows = parse(file.size > 2 ** 20 ? "" : await file.text());
      [draft, selected] = [null, -1];
      change(rows);
      say(`${file.name}: ${rows.length} ${rows.length === 1 ? "point" : "points"}.`);
    } catch (error) {
      say(`${file.name}: ${error.message}`);
    }
    picker.value = "";
  });
  function parse(text) {
    let read = null;
    try { read = JSON.parse(text); } catch { /* told below */ }
    if (read?.version !== 1 || !Array.isArray(read.hints))
      throw new Error("this is not a file of points that was saved here.");
    if (read.hints.length > MOST) throw new Error(`there can be ${MOST} points at most, it has ${read.hints.length}.`);
    const [width, height] = size();
    return read.hints.map((each, number) => {
      const { x, y, color = null, radius = 1 } = each ?? {};
      if (!(Number.isFinite(x) && Number.isFinite(y) && x >= 0 && y >= 0 && x < width && y < height))
        throw new Error(`point ${number + 1} lies outside this photo of ${width} × ${height} px.`);
      if (color !== null && !/^#[0-9a-f]{6}$/i.test(color))
        throw new Error(`the colour of point ${number + 1} must look like #b03020.`);
      if (!(Number.isFinite(radius) && radius >= 0))
        throw new Error(`the radius of point ${number + 1} must be a number from 0.`);
      return [x, y, color?.toLowerCase() ?? null, ...(radius === 1 ? [] : [radius])];
    });
  }

  return {
    draw, stop,
    suggested: (told) => {
      const row = point();
      if (!isOn || !row || row[0] !== told.point[0] || row[1] !== told.point[1]) return;
      colours = told.colours;
      draw();
    },
  };
}
