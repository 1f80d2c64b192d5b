import { empty } from "../parts/empty.js";

export const title = "By hand";

export function render() {
  return empty("By hand", "This view has nothing to show yet.");
}
