/** How a suite is to be run. */
export interface SuiteOptions {
  readonly rounds: number
  readonly seconds: number
  /** Only what a target speaks of. */
  readonly quick: boolean
  /** And of that as little as makes all suites together fit into a minute. */
  readonly isGlance: boolean
  /** Only these candidates, if any, or these shapes. */
  readonly only: readonly string[]
  /** A folder: every process writes its CPU profile there, which slows all of them. */
  readonly profiles: string | undefined
}
