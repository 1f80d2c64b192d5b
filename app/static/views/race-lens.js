import { empty } from "../parts/empty.js";

export const title = "Race lens";

export function render() {
  return empty("Race lens", "This view has nothing to show yet.");
}
