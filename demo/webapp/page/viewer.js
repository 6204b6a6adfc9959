// A large view of two pictures of the same size, with a line between them that can be dragged.
// Swiping and the wheel scroll the page as everywhere else; zoom is a button, or the browser's own.
function viewer(place, { moved = () => {}, zoomed = () => {} } = {}) {
  place.classList.add("cz-view");
  place.innerHTML = `
    <div class="room"><div class="frame">
      <img alt=""><img alt="">
      <div class="line"><span class="grip" role="slider" tabindex="0" aria-label="Line between before and after"
        aria-valuemin="0" aria-valuemax="100"></span></div>
    </div></div>
    <div class="tools">
      <button type="button" class="zoom" aria-pressed="false">Zoom</button>
      <button type="button" class="whole">Full screen</button>
    </div>`;
  const find = (selector) => place.querySelector(selector);
  const [left, right] = place.querySelectorAll("img");
  const frame = find(".frame"), grip = find(".grip"), zoom = find(".zoom"), whole = find(".whole");
  let share = 10;

  function move(to, { quietly = false } = {}) {
    share = Math.min(100, Math.max(0, to));
    frame.style.setProperty("--share", `${share}%`);
    right.style.clipPath = `inset(0px 0px 0px ${share}%)`;
    grip.setAttribute("aria-valuenow", Math.round(share));
    grip.setAttribute("aria-valuetext", `${Math.round(share)} % before`);
    if (!quietly) moved(Math.round(share));
  }

  const follow = (event) => {
    const box = frame.getBoundingClientRect();
    move((100 * (event.clientX - box.left)) / box.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    // A finger beside the grip scrolls the page; the mouse may drag anywhere unless it scrolls.
    const isGrip = event.target === grip;
    if (event.button || (!isGrip && (event.pointerType !== "mouse" || place.dataset.zoom))) return;
    event.preventDefault();
    grip.focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    follow(event);
    const end = () => {
      frame.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) frame.removeEventListener(name, end);
    };
    frame.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, end);
  });
  grip.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const ends = { Home: -100, End: 100 };
    const by = step[event.key] ?? ends[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(share + by);
  });

  zoom.addEventListener("click", () => {
    const room = find(".room"), isIn = !place.dataset.zoom;
    if (isIn) place.dataset.zoom = "in"; else delete place.dataset.zoom;
    zoom.setAttribute("aria-pressed", isIn);
    room.tabIndex = isIn ? 0 : -1;  // what scrolls can be scrolled by keys
    const middle = (whole, seen) => (isIn ? (whole - seen) / 2 : 0);
    room.scrollTo(middle(room.scrollWidth, room.clientWidth), middle(room.scrollHeight, room.clientHeight));
    if (isIn) zoomed();
  });
  whole.hidden = !document.fullscreenEnabled;
  whole.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen(); else place.requestFullscreen();
  });
  document.addEventListener("fullscreenchange", () => {
    whole.textContent = document.fullscreenElement === place ? "Leave full screen" : "Full screen";
  });

  let turn = 0;
  // Both pictures change at once, when both can be drawn, so that nothing flickers or moves.
  async function show(before, after, { width, height, alt = ["", ""], isGray = false } = {}) {
    const mine = ++turn;
    const load = async (source) => {
      const image = new Image();
      image.src = source;
      await image.decode();
      return image;
    };
    const [first, second] = await Promise.all([load(before), load(after)]);
    if (mine !== turn) return false;
    place.style.setProperty("--ratio", (width || second.naturalWidth) / (height || second.naturalHeight));
    frame.classList.toggle("gray", isGray);
    [left.src, right.src] = [first.src, second.src];
    [left.alt, right.alt] = alt;
    place.dataset.shown = "";
    return true;
  }
  function clear() {
    turn += 1;
    delete place.dataset.shown;
    for (const image of [left, right]) image.removeAttribute("src");
  }
  move(10, { quietly: true });
  const side = () => Math.max(frame.clientWidth, frame.clientHeight) * (window.devicePixelRatio || 1);
  return { show, clear, move, side, frame, share: () => share };
}
