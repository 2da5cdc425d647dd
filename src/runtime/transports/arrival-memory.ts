/** Blocks of fewer bytes glibc has on its heap anyhow (mallopt(3), M_MMAP_THRESHOLD). */
const MAPPED = 128 * 1024

/** V8 frees up to 32 MiB of such memory at once: twice this. */
const BLOCK = 16 * 1024 * 1024

let isPrimed = false

/**
 * Memory for bytes that arrive, of nobody else, at any alignment that a view may need, and of whatever content.
 *
 * Large blocks that V8 has freed, glibc gives back to the kernel when they are more than twice the largest one that it ever freed:
 * the next ones are then mapped anew page by page, which takes longer than to copy the bytes there. So the first large block brings
 * another one that nothing is written to, that costs no memory therefore, and that nobody keeps. Once it is freed, the process
 * keeps up to 32 MiB of what it has freed. Other allocators have their own ways, and are not disturbed.
 */
export function arrivalMemory(bytes: number): Uint8Array {
  if (!isPrimed && bytes >= MAPPED) {
    isPrimed = true
    Buffer.allocUnsafeSlow(BLOCK)
  }
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
}
