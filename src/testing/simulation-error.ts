/** A simulation that cannot go on, or was asked for what makes no sense. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError'
}
