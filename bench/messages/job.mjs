// What a candidate is told to do, in whichever of its processes.

/**
 * @typedef {object} Job
 * @property {string} program the file in candidates/
 * @property {Record<string, unknown>} setup what tells two candidates of one program apart
 * @property {'primary to worker' | 'worker to primary' | 'worker to worker'} route
 * @property {import('./orders.mjs').Kind['kind']} kind
 * @property {number} size
 * @property {number} inFlight
 * @property {number} receivers of a broadcast, which the first worker publishes and does not hear; else 0
 */

/** @param {Job} job */
export function workersOf({ route, receivers }) {
  if (receivers > 0) return receivers + 1
  return route === 'worker to worker' ? 2 : 1
}

/**
 * A package of bench/package.json. Types are not asked of it: they are there only after an install that nothing but a
 * benchmark needs.
 * @param {string} name
 * @returns {Promise<any>}
 */
export const peer = (name) => import(name)
