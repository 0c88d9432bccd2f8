"use strict";
// The hands in 3D: skinned meshes of every stage, and the capture's cameras around them.
(() => {
  const scene = JSON.parse(document.getElementById("scene").textContent);
  const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };
  const LOOKS = ["textured", "albedo", "normals", "wireframe", "clay", "error"];
  const SECONDS = 0.7; // from one key pose to the next
  const FRAMES = 24; // a second, of poses that were given

  const unpacked = async (text, kind) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new KINDS[kind](await new Response(stream).arrayBuffer());
  };
  const linear = (bytes) => {
    // Colours are stored as shown; three.js computes with light.
    const light = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const table = Float32Array.from({ length: 256 }, (_, value) => light(value / 255));
    return new THREE.BufferAttribute(Float32Array.from(bytes, (value) => table[value]), 3);
  };
  const unpackTexture = async (packed) => {
    const image = new Image();
    image.src = "data:image/jpeg;base64," + packed.image;
    await image.decode();
    const uv = Float32Array.from(await unpacked(packed.uv, "u2"), (place) => place / 65535);
    return { image, uv, source: await unpacked(packed.source, "u4"), faces: await unpacked(packed.faces, "u4") };
  };
  const unpackHand = async (packed) => {
    const hand = { ...packed, points: {}, colours: {} };
    for (const [stage, mesh] of Object.entries(packed.meshes)) {
      const steps = await unpacked(mesh.points, "u2");
      hand.points[stage] = Float32Array.from(steps, (n, k) => mesh.corner[k % 3] + n * mesh.step[k % 3]);
    }
    for (const name of ["albedo", "error"]) {
      if (packed[name]) hand.colours[name] = linear(await unpacked(packed[name], "u1"));
    }
    if (packed.texture) hand.texture = await unpackTexture(packed.texture);
    hand.faces = await unpacked(packed.faces, "u4");
    hand.joints = await unpacked(packed.joints, "u1");
    hand.weights = Float32Array.from(await unpacked(packed.weights, "u2"), (weight) => weight / 65535);
    return hand;
  };
  let unpacking; // both views show the same hands
  const unpackedHands = () => (unpacking ??= Promise.all(scene.hands.map(unpackHand)));

  const geometryOf = (hand, stage) => {
    const geometry = new THREE.BufferGeometry();
    geometry.setIndex(new THREE.BufferAttribute(hand.faces, 1));
    geometry.setAttribute("position", new THREE.BufferAttribute(hand.points[stage], 3));
    geometry.setAttribute("skinIndex", new THREE.BufferAttribute(hand.joints, 4));
    geometry.setAttribute("skinWeight", new THREE.BufferAttribute(hand.weights, 4));
    geometry.computeVertexNormals();
    return geometry;
  };
  // The same cut along the texture's seams, where vertices have one normal but several places in it.
  const cutGeometryOf = (hand, whole) => {
    const { source, faces, uv } = hand.texture, geometry = new THREE.BufferGeometry();
    for (const name of ["position", "normal", "skinIndex", "skinWeight"]) {
      const { array, itemSize } = whole.getAttribute(name), values = new array.constructor(source.length * itemSize);
      source.forEach((vertex, k) => {
        for (let i = 0; i < itemSize; i++) values[k * itemSize + i] = array[vertex * itemSize + i];
      });
      geometry.setAttribute(name, new THREE.BufferAttribute(values, itemSize));
    }
    geometry.setAttribute("uv", new THREE.BufferAttribute(uv, 2));
    return geometry.setIndex(new THREE.BufferAttribute(faces, 1));
  };
  const materialOf = (look, map) => {
    const side = THREE.DoubleSide, skin = { side, roughness: 0.62, metalness: 0 };
    switch (look) {
      case "albedo": return new THREE.MeshBasicMaterial(map ? { side, map } : { side, vertexColors: true });
      case "error": return new THREE.MeshBasicMaterial({ side, vertexColors: true });
      case "normals": return new THREE.MeshNormalMaterial({ side });
      case "wireframe": return new THREE.MeshBasicMaterial({ side, wireframe: true, color: 0xd3dbe6, transparent: true, opacity: 0.22 });
      case "clay": return new THREE.MeshStandardMaterial({ ...skin, color: 0xcfc6ba });
      default: return new THREE.MeshStandardMaterial(map ? { ...skin, map } : { ...skin, vertexColors: true });
    }
  };

  // Poses the bones: rotations (16 quaternions, local), place of the hand.
  const applyPose = (bones, hand, rotations, place) => {
    const size = new THREE.Vector3(hand.scale, hand.scale, hand.scale);
    const turns = [], places = [];
    hand.rest.forEach((rest, joint) => {
      const own = new THREE.Quaternion(...rotations[joint]), parent = scene.parents[joint];
      const at = new THREE.Vector3(...rest);
      if (parent < 0) {
        turns[joint] = own;
        places[joint] = at.clone();
      } else {
        const bone = at.clone().sub(new THREE.Vector3(...hand.rest[parent]));
        turns[joint] = turns[parent].clone().multiply(own);
        places[joint] = places[parent].clone().add(bone.applyQuaternion(turns[parent]));
      }
      const shift = places[joint].clone().sub(at.applyQuaternion(turns[joint])).multiplyScalar(hand.scale);
      bones[joint].matrix.compose(shift.add(new THREE.Vector3(...place)), turns[joint], size);
      bones[joint].matrixWorldNeedsUpdate = true;
    });
  };
  const between = (a, b, share) => a.map((q, joint) =>
    new THREE.Quaternion(...q).slerp(new THREE.Quaternion(...b[joint]), share).toArray());
  const mixed = (a, b, share) => a.map((value, k) => value + (b[k] - value) * share);

  const select = (parent, name, options, change) => {
    const label = document.createElement("label"), list = document.createElement("select");
    for (const option of options) list.add(new Option(option, option));
    list.onchange = () => change(list.value);
    list.dataset.name = name;
    label.append(name, list);
    if (options.length > 1) parent.append(label);
    return list;
  };
  const button = (parent, text, click) => {
    const element = document.createElement("button");
    element.textContent = text;
    element.onclick = click;
    parent.append(element);
    return element;
  };

  const labelOf = (text) => {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d");
    canvas.width = 256;
    canvas.height = 64;
    pen.font = "40px sans-serif";
    pen.fillStyle = "#cfd6df";
    pen.textAlign = "center";
    pen.fillText(text, 128, 46, 250);
    const map = new THREE.CanvasTexture(canvas);
    const sprite = new THREE.Sprite(new THREE.SpriteMaterial({ map, depthTest: false, sizeAttenuation: false }));
    sprite.scale.set(0.14, 0.035, 1);
    sprite.center.set(0.5, -0.2);
    return sprite;
  };
  const linesOf = (pairs, color) => {
    const geometry = new THREE.BufferGeometry();
    const points = Float32Array.from(pairs.flat(2));
    geometry.setAttribute("position", new THREE.BufferAttribute(points, 3));
    return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color }));
  };
  const camerasOf = () => {
    const group = new THREE.Group();
    for (const { name, center, corners } of scene.cameras) {
      const edges = corners.flatMap((corner, k) => [[center, corner], [corner, corners[(k + 1) % 4]]]);
      group.add(linesOf(edges, 0x8fb7e0), linesOf([[corners[0], corners[1]]], 0xf2b84b));
      const label = labelOf(name);
      label.position.set(...center);
      group.add(label);
    }
    return group;
  };

  class Viewer {
    constructor(root) {
      this.root = root;
      this.showsCameras = root.dataset.kind === "cameras";
      this.controls = document.createElement("div");
      this.controls.className = "controls";
      this.canvas = document.createElement("canvas");
      root.append(this.controls, this.canvas);
      this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: true, preserveDrawingBuffer: true });
      this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
      this.world = new THREE.Scene();
      this.world.background = new THREE.Color(0x26282c);
      this.camera = new THREE.PerspectiveCamera(35, 1, 0.01, 100);
      this.camera.up.set(...scene.up);
      this.orbit = new THREE.OrbitControls(this.camera, this.canvas);
      this.orbit.addEventListener("change", () => this.draw());
      this.light();
      this.state = { look: "clay", stage: scene.stages.at(-1), hand: "both", clip: "none", time: 0, playing: false };
      this.meshes = [];
      this.addLines();
      this.home();
      new ResizeObserver(() => this.resize()).observe(this.canvas);
    }

    light() {
      const key = new THREE.DirectionalLight(0xffffff, 2.7);
      key.position.set(0.4, 0.5, 1);
      this.camera.add(key, key.target);
      key.target.position.set(0, 0, -1);
      this.world.add(this.camera, new THREE.HemisphereLight(0xffffff, 0x9a948e, 1.5));
    }

    addLines() {
      this.cameraLines = camerasOf();
      this.cameraLines.visible = this.showsCameras;
      this.bones = new THREE.Group();
      scene.bones.forEach((pairs, k) => pairs.length && this.bones.add(linesOf(pairs, k ? 0x2f9be0 : 0xf08a24)));
      this.bones.visible = scene.hands.length === 0;
      this.world.add(this.cameraLines, this.bones);
    }

    async fill() {
      const hands = await unpackedHands();
      for (const hand of hands) {
        const bones = hand.rest.map(() => Object.assign(new THREE.Bone(), { matrixAutoUpdate: false }));
        const skeleton = new THREE.Skeleton(bones, bones.map(() => new THREE.Matrix4()));
        this.world.add(...bones);
        const geometries = {};
        this.meshes.push({ hand, bones, skeleton, geometries });
      }
      const colours = hands.length ? hands[0].colours : {};
      const looks = LOOKS.filter((look) => (look === "textured" ? colours.albedo : !["albedo", "error"].includes(look) || colours[look]));
      if (looks.includes("textured") && !this.showsCameras) this.state.look = "textured";
      this.addControls(hands, looks);
      this.renew();
      this.root.dataset.ready = "yes";
    }

    addControls(hands, looks) {
      const bar = this.controls, state = this.state;
      const changed = (name) => (value) => { state[name] = value; this.renew(); };
      if (hands.length && !this.showsCameras) {
        select(bar, "look", looks, changed("look")).value = state.look;
        select(bar, "mesh", scene.stages, changed("stage")).value = state.stage;
        select(bar, "hand", hands.length > 1 ? ["both", ...hands.map((hand) => hand.side)] : [hands[0].side], changed("hand"));
        const clips = ["none", ...Object.keys(hands[0].clips)];
        select(bar, "animation", clips, (clip) => this.choose(clip));
        this.play = button(bar, "play", () => this.toggle());
        this.slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1, step: 0.001, value: 0 });
        this.slider.setAttribute("aria-label", "time of the animation");
        this.slider.oninput = () => { state.time = +this.slider.value; this.pose(); };
        bar.append(this.slider);
        this.play.hidden = this.slider.hidden = true;
      }
      this.check(bar, "cameras", this.cameraLines, scene.cameras.length);
      this.check(bar, "keypoints", this.bones, scene.bones.length);
      button(bar, "reset view", () => this.home());
    }

    check(bar, name, lines, count) {
      if (!count) return;
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: lines.visible });
      box.onchange = () => { lines.visible = box.checked; this.draw(); };
      label.append(box, name);
      bar.append(label);
    }

    // Shows the meshes that the state asks for.
    renew() {
      const { look, stage, hand: side } = this.state;
      for (const entry of this.meshes) {
        const { hand, skeleton, geometries } = entry;
        if (entry.mesh) this.world.remove(entry.mesh);
        let geometry = (geometries[stage] ??= geometryOf(hand, stage));
        const colour = hand.colours[look === "error" ? "error" : "albedo"];
        if (colour) geometry.setAttribute("color", colour);
        const map = ["textured", "albedo"].includes(look) ? this.mapOf(entry) : null;
        if (map) geometry = geometries[stage + " cut"] ??= cutGeometryOf(hand, geometry);
        entry.mesh = new THREE.SkinnedMesh(geometry, materialOf(look, map));
        entry.mesh.frustumCulled = false;
        entry.mesh.visible = side === "both" || side === hand.side || this.meshes.length === 1;
        entry.mesh.bind(skeleton, new THREE.Matrix4());
        this.world.add(entry.mesh);
      }
      this.pose();
    }

    // The texture, or null where none was baked: then vertices have their colours.
    mapOf(entry) {
      if (!entry.hand.texture) return null;
      return (entry.map ??= Object.assign(new THREE.CanvasTexture(entry.hand.texture.image), { colorSpace: "srgb", anisotropy: 4 }));
    }

    choose(clip) {
      Object.assign(this.state, { clip, time: 0, playing: false });
      this.play.hidden = this.slider.hidden = clip === "none";
      this.pose();
      if (clip !== "none") this.toggle();
      else this.play.textContent = "play";
    }

    toggle() {
      this.state.playing = !this.state.playing;
      this.play.textContent = this.state.playing ? "pause" : "play";
      let before = null;
      const step = (now) => {
        if (!this.state.playing) return;
        before ??= now;
        this.state.time = (this.state.time + (now - before) / 1000 / this.seconds()) % 1;
        before = now;
        this.slider.value = this.state.time;
        this.pose();
        requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    }

    clipOf(hand) {
      return this.state.clip === "none" ? null : hand.clips[this.state.clip];
    }

    seconds() {
      const clip = this.clipOf(this.meshes[0].hand);
      const gaps = Math.max(clip.poses.length - 1, 1);
      return gaps * (clip.places ? 1 / FRAMES : SECONDS);
    }

    pose() {
      for (const { hand, bones } of this.meshes) {
        const clip = this.clipOf(hand);
        if (!clip) {
          applyPose(bones, hand, hand.pose, hand.place);
          continue;
        }
        const last = clip.poses.length - 1, at = this.state.time * last;
        const first = Math.min(Math.floor(at), last), next = Math.min(first + 1, last), share = at - first;
        const eased = clip.places ? share : share * share * (3 - 2 * share);
        const place = clip.places ? mixed(clip.places[first], clip.places[next], share) : hand.place;
        applyPose(bones, hand, between(clip.poses[first], clip.poses[next], eased), place);
      }
      this.draw();
    }

    home() {
      const eye = new THREE.Vector3(...scene.eye), away = this.showsCameras ? this.farthest() * 3.3 : this.extent() * 3.5;
      if (this.showsCameras) eye.addScaledVector(this.camera.up, eye.length() * 0.7);
      this.orbit.target.set(0, 0, 0);
      this.camera.position.copy(eye.normalize().multiplyScalar(away * Math.max(1, 1 / this.camera.aspect)));
      this.orbit.update();
      this.draw();
    }

    farthest() {
      return Math.max(0.3, ...scene.cameras.map(({ center }) => Math.hypot(...center)));
    }

    // Of the hands' reach about the middle: their places and keypoints tell it well enough.
    extent() {
      const ends = scene.hands.map(({ place, scale, rest }) => Math.hypot(...place.map((x, k) => x + scale * rest[0][k])) + 0.04);
      const bones = scene.bones.flat(2).map((point) => Math.hypot(...point));
      return Math.max(0.12, ...(bones.length ? bones : ends));
    }

    resize() {
      const { clientWidth: width, clientHeight: height } = this.canvas;
      if (!width || !height) return;
      this.renderer.setSize(width, height, false);
      this.camera.aspect = width / height;
      this.camera.updateProjectionMatrix();
      if (!this.sized) this.home();
      this.sized = true;
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        this.renderer.render(this.world, this.camera);
      });
    }
  }

  whenSeen(document.querySelectorAll(".viewer"), (root) => {
    try {
      new Viewer(root).fill();
    } catch (error) {
      root.textContent = "This browser shows no WebGL, which the 3D view needs.";
    }
  });
})();
