import type { Architecture } from '../src/registers.ts';
import type { HarmlessFetchSlot } from './plan.ts';

const LOADERS: Readonly<Record<Architecture, () => Promise<HarmlessFetchSlot>>> = {
  x64: async () => (words) => {
    for (let word = 0; word < words.length; word += 4) {
      if (((words[word] as number) | (words[word + 1] as number)) === 0) return word * 4;
    }
    return -1;
  },
  aarch64: async () => (await import('../guest-stubs/aarch64/harmless-fetch-slot.ts')).harmlessFetchSlot,
};

/** What is harmless to execute on an architecture, in the way its stub executes it. */
export async function loadHarmlessFetchSlot(architecture: Architecture): Promise<HarmlessFetchSlot> {
  return await LOADERS[architecture]();
}
