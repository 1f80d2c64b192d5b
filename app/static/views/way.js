import { empty } from "../parts/empty.js";

export const title = "Way of an order";

export function render() {
  return empty("Way of an order", "This view has nothing to show yet.");
}
