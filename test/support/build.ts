import { build } from '../../scripts/build.mjs'

/** Global setup of every project that runs the built library: no test ever meets a stale dist or fixture. */
export default function setup(): void {
  build({ fixtures: true })
}
