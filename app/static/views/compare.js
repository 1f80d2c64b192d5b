import { empty } from "../parts/empty.js";

export const title = "Compare";

export function render() {
  return empty("Compare", "This view has nothing to show yet.");
}
