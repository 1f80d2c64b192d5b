// The store of the page's whole state.

/**
 * Creates a store that holds the state and renders each new one.
 * @template State
 * @param {State} initial
 * @param {(state: State) => void} render  called once per frame, if the state has changed
 */
export function createStore(initial, render) {
  let state = initial;
  let scheduled = false;

  function draw() {
    scheduled = false;
    render(state);
  }

  return {
    get: () => state,
    /** @param {(state: State) => State} change  a pure function; returning the same state means no change */
    update(change) {
      const next = change(state);
      if (next === state) return;
      state = next;
      if (!scheduled) requestAnimationFrame(draw);
      scheduled = true;
    },
  };
}
