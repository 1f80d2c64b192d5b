// Which view is shown: the fragment of the address, so that a view can be linked to and the back button works.

/** @param {string[]} known  the first one is the start */
export function route(known) {
  const asked = location.hash.replace(/^#\/?/, "").split("?")[0];
  return known.includes(asked) ? asked : known[0];
}
