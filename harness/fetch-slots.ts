import type { Architecture } from '../src/registers.ts';
import type { HarmlessFetchSlot } from './plan.ts';
import { SLOT_BYTES } from './plan-points.ts';

const WORDS_PER_SLOT = SLOT_BYTES / 4;

const LOADERS: Readonly<Record<Architecture, () => Promise<HarmlessFetchSlot>>> = {
  x64: async () => {
    const { isHarmlessEntry } = await import('../guest-stubs/x64/harmless-code.ts');
    return (words) => {
      const slot = words.findIndex((word, at) => at % WORDS_PER_SLOT === 0 && isHarmlessEntry(word));
      return slot < 0 ? -1 : slot * 4;
    };
  },
  aarch64: async () => (await import('../guest-stubs/aarch64/harmless-fetch-slot.ts')).harmlessFetchSlot,
};

/** What is harmless to execute on an architecture, in the way its stub executes it. */
export async function loadHarmlessFetchSlot(architecture: Architecture): Promise<HarmlessFetchSlot> {
  return await LOADERS[architecture]();
}
