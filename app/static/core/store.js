// The one place of all that the page knows.

/**
 * @template State
 * @param {State} initial
 * @param {(state: State) => void} render  called once per frame in which something changed
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
    /** @param {(state: State) => State} change  pure: the same state means that nothing happened */
    update(change) {
      const next = change(state);
      if (next === state) return;
      state = next;
      if (!scheduled) requestAnimationFrame(draw);
      scheduled = true;
    },
  };
}
