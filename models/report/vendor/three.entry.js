// What the 3D view takes from three.js; build.sh makes three.min.js of it.
export {
  Bone, BufferAttribute, BufferGeometry, CanvasTexture, Color, DirectionalLight, DoubleSide, Group, HemisphereLight,
  LineBasicMaterial, LineSegments, Matrix4, MeshBasicMaterial, MeshNormalMaterial, MeshStandardMaterial,
  PerspectiveCamera, Quaternion, Scene, Skeleton, SkinnedMesh, Sprite, SpriteMaterial, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
