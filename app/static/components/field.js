// Labelled form fields.

import { h } from "../core/vdom.js";

/**
 * @typedef {object} Field
 * @property {string} label
 * @property {string | number} value
 * @property {(value: string) => void} set
 * @property {string} [unit]
 * @property {number} [min]
 * @property {number} [max]
 * @property {string} [pattern]
 * @property {string} [hint]
 * @property {boolean} [disabled]
 * @property {boolean} [required]
 */

/** Makes a field for a whole number between two bounds. @param {Field} field */
export const numberField = (field) =>
  labelled(
    field,
    h("input", {
      ...common(field),
      type: "number",
      inputmode: "numeric",
      min: field.min,
      max: field.max,
      step: 1,
      required: field.required ?? true,
    }),
  );

/** @param {Field} field */
export const textField = (field) =>
  labelled(
    field,
    h("input", {
      ...common(field),
      type: "text",
      pattern: field.pattern,
      autocomplete: "off",
      spellcheck: "false",
      required: field.required ?? true,
    }),
  );

/** @param {Field & { options: { value: string, label: string }[] }} field */
export const choice = (field) =>
  labelled(
    field,
    h(
      "select",
      { ...common(field), onInput: undefined, onChange: (/** @type {any} */ event) => field.set(event.target.value) },
      field.options.map(({ value, label }) =>
        h("option", { value, key: value, selected: value === field.value }, label),
      ),
    ),
  );

/** @param {Field} field */
function common(field) {
  return {
    value: String(field.value),
    disabled: field.disabled ?? false,
    onInput: (/** @type {any} */ event) => field.set(event.target.value),
  };
}

/** @param {Field} field @param {import("../core/vdom.js").Element} control */
function labelled({ label, unit, hint }, control) {
  return h(
    "label",
    { class: "field" },
    h("span", { class: "label" }, label),
    h("span", { class: "control" }, control, unit && h("span", { class: "unit" }, unit)),
    hint && h("span", { class: "hint" }, hint),
  );
}
