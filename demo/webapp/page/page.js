() => {
  // Gradio's sliders fire "release" when the pointer is released, but not when a key is.
  document.addEventListener("keyup", (event) => {
    if (event.target.matches?.("input[type=range]"))
      event.target.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  });
  // Gradio leaves a number beside a slider as it was typed, or changes it without a word.
  const label = (block) => block.querySelector("[data-testid=block-info]")?.textContent.trim();
  const settle = (box) => {
    const block = box.closest(".block");
    const [low, high, step] = [box.min, box.max, box.step].map(Number);
    const typed = parseFloat(box.value);
    const inside = Math.min(high, Math.max(low, Number.isNaN(typed) ? Number(box.dataset.before) : typed));
    const value = Number((low + Math.round((inside - low) / step) * step).toFixed(4));
    block.querySelector(".told")?.remove();
    if (!(typed >= low && typed <= high)) {
      const told = document.createElement("p");
      [told.className, told.role] = ["told", "alert"];
      told.textContent = `${label(block)} goes from ${low} to ${high}: ${box.value || "nothing"} became ${value}.`;
      block.append(told);
    }
    if (box.value !== String(value)) {
      box.value = value;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  const isBox = (target) => target.matches?.(".block:has(input[type=range]) input[type=number]");
  document.addEventListener("focusin", ({ target }) => { if (isBox(target)) target.dataset.before = target.value; });
  document.addEventListener("input", (event) => {  // until it is settled, only a good number counts
    const { target } = event;
    if (isBox(target) && !(target.value !== "" && +target.value >= +target.min && +target.value <= +target.max))
      event.stopImmediatePropagation();
  }, true);
  document.addEventListener("focusout", ({ target }) => { if (isBox(target)) settle(target); }, true);
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (key === "Enter" && isBox(target)) {
      target.blur();  // Gradio applies it then
      target.focus();
    }
  }, true);
  // Its lists stay open behind whoever leaves them with Tab.
  document.addEventListener("focusout", ({ target }) => {
    if (target.role === "combobox" || target.getAttribute?.("role") === "combobox")
      setTimeout(() => target.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })), 0);
  });
  // A result that is clicked is shown in the large view, which may be out of sight.
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("#gallery .thumbnail-item"))
      document.querySelector("#slider").scrollIntoView({ block: "nearest" });
  });
  // Gradio's own table sorts by a menu that cannot be used by keyboard or touch.
  document.addEventListener("click", (event) => {
    const head = event.target.closest?.(".table th button")?.closest("th");
    if (!head) return;
    const column = [...head.parentElement.children].indexOf(head);
    const falls = head.getAttribute("aria-sort") !== "descending";
    const value = (row) => {
      const text = row.children[column].textContent;
      return column ? parseFloat(text) : text;
    };
    const compare = (a, b) => (a > b ? 1 : a < b ? -1 : 0) * (falls ? -1 : 1);
    const body = head.closest("table").tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return Number.isNaN(x) - Number.isNaN(y) || compare(x, y);  // missing values last
    });
    body.append(...rows);
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
  });
  const each = (selector, change) => document.querySelectorAll(selector).forEach(change);
  const name = () => {
    each("[aria-label='Empty value']:not([role])", (empty) => empty.setAttribute("role", "img"));
    // A message is no button: it has one to close it.
    each(".toast-header[role=button]", (head) => ["role", "tabindex"].forEach((one) => head.removeAttribute(one)));
    each("pre:not([tabindex]), .md table:not([tabindex])",
      (wide) => wide.setAttribute("tabindex", "0"));
  };
  new MutationObserver(name).observe(
    document.body, { childList: true, subtree: true, attributeFilter: ["src"] }
  );
  name();
}
