/** False in a node that was built without the inspector. */
export const hasInspector: boolean = process.features.inspector

/** Loaded when it is first wanted, which is after the start. */
function inspector(): typeof import('node:inspector') | undefined {
  return hasInspector ? process.getBuiltinModule('node:inspector') : undefined
}

/** Somebody may be debugging this process, and stop it for as long as they like. */
export function isDebugged(): boolean {
  return inspector()?.url() !== undefined
}

/**
 * Closes the inspector that the primary has opened for a stack, and let go of. Node opens it a second time when the loop turns
 * again: a signal that came while it was blocked is then seen twice, within one turn.
 */
export function closeInspector(): void {
  const close = (): void => {
    if (isDebugged()) inspector()?.close()
  }
  close()
  setImmediate(close)
}
