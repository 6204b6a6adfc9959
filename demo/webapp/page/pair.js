// The large view of the comparison: two pictures that Python chose, as [left, right] in the value.
const pair = viewer(element.querySelector(".view"), {
  moved: (share) => {
    window.colorzoo.share = share;
    trigger("moved");
  },
});
window.colorzoo = { ...window.colorzoo, slider: pair };
const show = () => {
  const at = (path) => `${window.gradio_config?.root ?? ""}/gradio_api/file=${path}`;
  const [left, right] = props.value ?? [];
  if (!left) return pair.clear();
  const name = (path) => path.split("/").pop();
  pair.show(at(left), at(right), { alt: [name(left), name(right)] }).catch(() => {});
};
watch("value", show);
show();
