/** Whoever takes part in a shape; one call measures it once. */
export interface Contender<Sample> {
  readonly name: string
  measure(): Promise<Sample>
}

/**
 * Measures A B C, A B C, …: neighbours in time see the same machine. Gives each contender's samples by name; those with the
 * same index are of the same round.
 */
export async function alternate<Sample>(
  contenders: readonly Contender<Sample>[],
  rounds: number,
  measured: (round: number, name: string, sample: Sample) => void,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const { name, measure } of contenders) {
      const sample = await measure()
      samples.get(name)?.push(sample)
      measured(round, name, sample)
    }
  return samples
}
