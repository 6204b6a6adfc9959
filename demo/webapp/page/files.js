// The files of a drop; a folder stands for the photos in it and in its own folders.
function filesOf({ items, files }, { types, most }) {
  // What is dropped can be asked for only now, before anything is waited for.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return Promise.resolve([...files]);
  const ends = types.split(",").filter((each) => each.startsWith("."));
  const isPhoto = ({ name }) => !name.startsWith(".") && ends.some((end) => name.toLowerCase().endsWith(end));
  const told = (ask) => new Promise(ask);
  const walk = async (entry) => {
    if (entry.isFile) return isPhoto(entry) ? [await told((done, failed) => entry.file(done, failed))] : [];
    const reader = entry.createReader(), found = [];
    for (let some = null; some?.length !== 0 && found.length <= most;) {  // they come in portions
      some = await told((done, failed) => reader.readEntries(done, failed));
      for (const each of some) found.push(...await walk(each));
    }
    return found;
  };
  return Promise.all(entries.map(walk)).then((found) => found.flat());
}
