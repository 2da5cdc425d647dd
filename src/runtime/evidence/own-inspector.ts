import { createRequire } from 'node:module'

/** Node can be built without the inspector, and then has no such module. */
const inspector = ((): typeof import('node:inspector') | undefined => {
  try {
    return createRequire(import.meta.url)('node:inspector')
  } catch {
    return undefined
  }
})()

export const hasInspector: boolean = inspector !== undefined

/** Somebody may be debugging this process, and stop it for as long as they like. */
export function isDebugged(): boolean {
  return inspector?.url() !== undefined
}

/**
 * Closes the inspector that the primary has opened for a stack, and let go of. Node opens it a second time when the loop turns
 * again: a signal that came while it was blocked is then seen twice, within one turn.
 */
export function closeInspector(): void {
  const close = (): void => {
    if (isDebugged()) inspector?.close()
  }
  close()
  setImmediate(close)
}
