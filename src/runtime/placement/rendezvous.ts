/**
 * Rendezvous hashing (Thaler and Ravishankar, 1996): every id gets a score from the key and itself, and the highest wins. An
 * id that goes takes nothing but its own keys with it, and one that comes takes an even share from each of the others.
 *
 * The scores depend on nothing but key and id, so that every process and every version finds the same id, whatever the
 * order of `ids`. They are not secret: who can choose their key can choose their id.
 */
export function rendezvous(key: string, ids: readonly number[]): number | undefined {
  const hash = hashOf(key)
  let winner: number | undefined
  let highest = -1
  for (const id of ids) {
    const score = scoreOf(hash, id)
    if (score <= highest) continue
    highest = score
    winner = id
  }
  return winner
}

/** FNV-1a, a UTF-16 code unit at a time. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash
}

/**
 * The 32-bit finaliser of MurmurHash3, over the hash and the id spread over all 32 bits. Every step can be undone, so two
 * ids never score the same for one key: there are no ties whose outcome would hang on the order of the ids.
 */
function scoreOf(hash: number, id: number): number {
  let mixed = hash ^ Math.imul(id, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
