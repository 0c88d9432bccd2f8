"use strict";
// Pictures lie in the page as text and are decoded when they are first looked at.
const pictureUrl = (name) => {
  const text = document.getElementById("picture-" + name);
  return text ? "data:image/jpeg;base64," + text.textContent : "";
};

const whenSeen = (elements, show) => {
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      show(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const element of elements) observer.observe(element);
};

const lazy = document.querySelectorAll("img[data-picture]");
const load = (image) => { image.src ||= pictureUrl(image.dataset.picture); };
whenSeen(lazy, load);
addEventListener("beforeprint", () => lazy.forEach(load));

const compare = document.getElementById("compare");
if (compare) {
  const views = JSON.parse(document.getElementById("views").textContent);
  const layers = JSON.parse(document.getElementById("layers").textContent);
  const names = Object.keys(layers).filter((name) => views.some((view) => view.layers.includes(name)));
  const chosen = { view: 0, left: names[0], right: names[names.length - 1] };
  const [under, over] = compare.querySelectorAll(".stage img");
  const slider = compare.querySelector("input");
  const line = compare.querySelector(".line");
  const stage = compare.querySelector(".stage");
  const buttons = {};

  const move = () => {
    over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    line.style.left = slider.value + "%";
  };
  // The stage takes the photo's proportions, so that the line reaches from its edge to its edge.
  under.onload = () => {
    const ratio = under.naturalWidth / under.naturalHeight;
    stage.style.aspectRatio = ratio;
    stage.style.width = `min(100%, ${Math.round(640 * ratio)}px)`;
  };
  const show = () => {
    const view = views[chosen.view];
    for (const [side, image] of [["left", over], ["right", under]]) {
      image.src = pictureUrl(`${view.view}-${chosen[side]}`);
      for (const [name, button] of Object.entries(buttons[side])) {
        button.classList.toggle("chosen", name === chosen[side]);
        button.disabled = !view.layers.includes(name);
      }
    }
    const said = `view ${view.label}: ${layers[chosen.left]} left of the line, ${layers[chosen.right]} right of it`;
    compare.querySelector(".caption").textContent = said;
    strip.querySelectorAll("button").forEach((button, number) => button.classList.toggle("chosen", number === chosen.view));
  };

  for (const side of ["left", "right"]) {
    buttons[side] = {};
    for (const name of names) {
      const button = document.createElement("button");
      button.textContent = layers[name];
      button.onclick = () => { chosen[side] = name; show(); };
      buttons[side][name] = button;
      compare.querySelector(`[data-side=${side}]`).append(button);
    }
  }
  const strip = compare.querySelector(".thumbnails");
  views.forEach((view, number) => {
    const button = document.createElement("button"), image = new Image();
    image.loading = "lazy";
    image.alt = "";
    image.src = "data:image/jpeg;base64," + view.thumbnail;
    button.append(image, view.label);
    button.onclick = () => { chosen.view = number; show(); };
    strip.append(button);
  });
  slider.addEventListener("input", move);
  show();
  move();
}
