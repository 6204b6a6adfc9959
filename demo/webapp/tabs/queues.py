"""The queues of the page, and how a download starts, for all tabs."""

WORK = "work"  # the queue for everything that takes time
AT_ONCE = 2  # number of its jobs that run at the same time

START_DOWNLOAD = """(file) => {
  const link = document.createElement("a");
  link.href = file.url; link.download = file.orig_name;
  document.body.append(link); link.click(); link.remove();
}"""
