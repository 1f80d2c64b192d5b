import { empty } from "../parts/empty.js";

export const title = "Sales";

export function render() {
  return empty("Sales", "This view has nothing to show yet.");
}
