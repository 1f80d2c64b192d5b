// The fragment of the address names the view, so that a view can be linked to and the back button works.

/** Returns the name of the view to show. @param {string[]} known  the first one is the default */
export function route(known) {
  const name = location.hash.replace(/^#\/?/, "").split("?")[0];
  return known.includes(name) ? name : known[0];
}
