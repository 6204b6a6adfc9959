// The camera of this device: on a phone its own app, elsewhere a window of the page.
function camera(root, { add, say }) {
  const shot = root.querySelector(".shot"), video = shot.querySelector("video");
  const find = (selector) => root.querySelector(selector);
  find(".shoot").addEventListener("click", async () => {
    const isTouch = window.matchMedia("(pointer: coarse)").matches;
    if (isTouch || !navigator.mediaDevices) return find(".camera").click();
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } } });
    } catch {
      return say("The camera cannot be used: allow it in the browser, or choose a photo.");
    }
    await video.play();
    shot.showModal();
  });
  find(".leave").addEventListener("click", () => shot.close());
  shot.addEventListener("close", () => {
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  });
  find(".snap").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    shot.close();
    canvas.toBlob((blob) => add([new File([blob], "camera.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.95);
  });
}
