import { type BatchContext, decodeResults } from '../guest-stubs/aarch64/decode-results.ts';
import { hasStageTwo } from '../guest-stubs/aarch64/installation.ts';
import { isInRegion } from '../guest-stubs/aarch64/regions.ts';
import type { Installation, StubPlan } from '../guest-stubs/aarch64/stub-plan.ts';
import { MAX_BATCH } from '../guest-stubs/aarch64/stub-protocol.ts';
import { Symbols } from '../guest-stubs/aarch64/symbols.ts';
import type { Observations, ProbeList } from '../harness/machine.ts';
import { ACCESS_RECORD_WORDS, type AccessList } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { HPFAR_NONE, HPFAR_OPEN, OutcomeList } from '../src/outcome-list.ts';
import type { AArch64Registers } from '../src/registers.ts';
import { groupProbes, MEETS_INTERMEDIATE, type ProbeGroup } from './aarch64-batches.ts';
import type { AArch64Guest } from './aarch64-guest.ts';
import { mergeRoot } from './aarch64-read-back.ts';
import type { DataTags } from './aarch64-tags.ts';

/** An image in a running guest. */
export interface LoadedImage {
  readonly guest: AArch64Guest;
  readonly tags: DataTags;
  readonly registers: AArch64Registers;
  /** The frames that the image occupies, ascending. */
  readonly shape: readonly Extent[];
  readonly plan: StubPlan;
  /** Where the stub may live. */
  readonly regions: readonly [number, number];
}

/** A run of frames. */
export interface Extent {
  readonly firstFrame: number;
  readonly frameCount: number;
}

/** Makes the probes on the guest, in as many batches as it takes. */
export async function probeGuest(image: LoadedImage, probes: ProbeList): Promise<Observations> {
  const { guest, plan, registers, tags } = image;
  const outcomes = new OutcomeList(probes.accesses.length);
  const remarks = new Map<number, string>();
  const elsewhere = image.regions.find((region) => region !== guest.region) as number;
  const readRam = (address: number, bytes: Uint8Array) => guest.ram.read(address, bytes);
  if (hasStageTwo(registers)) outcomes.ensureHpfar();
  let guestSeconds = 0;

  for (const group of groupProbes(
    probes,
    { plan, registers, physicalAddressBits: guest.physicalAddressBits },
    [guest.region, elsewhere],
    remarks,
  )) {
    if (group.region !== guest.region) {
      tags.forget();
      await guest.moveTo(group.region);
    }
    tagSlots(image, group, probes.expectedFrames);
    const installation = plan.install(group.installation, guest.region, readRam);
    guest.install(installation);
    const runFrom = (start: number) => {
      const end = Math.min(start + MAX_BATCH, group.slots.length);
      const answer = guest.run(installation, group.slots.slice(start, end));
      answer.catch(() => {}); // it is awaited later, or an earlier batch has failed
      return answer;
    };
    let answering = runFrom(0);
    for (let start = 0; start < group.accesses.length; start += MAX_BATCH) {
      const end = Math.min(start + MAX_BATCH, group.accesses.length);
      const accesses = group.accesses.slice(start, end);
      const indices = group.indices.subarray(start, end);
      const results = await answering;
      // The guest goes on while these results are read.
      if (end < group.accesses.length) answering = runFrom(end);
      decodeResults(contextOf(image, installation, accesses, indices), results.words, outcomes, remarks);
      if (plan.intermediateRegion !== undefined) {
        withdrawMeetings(plan.intermediateRegion, guest.region, indices, outcomes, remarks);
      }
      guestSeconds += results.seconds;
    }
    if (plan.copiedRoot !== undefined) {
      mergeRoot(guest.ram, guest.region, plan.copiedRoot, group.installation, installation);
    }
  }
  return { outcomes, remarks, guestSeconds };
}

/** Takes back the outcomes of probes that met the stub at its intermediate addresses: they are not the tables'. */
export function withdrawMeetings(
  { start, bytes }: NonNullable<StubPlan['intermediateRegion']>,
  region: number,
  indices: Uint32Array,
  outcomes: OutcomeList,
  remarks: Map<number, string>,
): void {
  const hpfar = outcomes.ensureHpfar();
  for (const index of indices) {
    const frame = Math.floor((outcomes.physicalAddress[index] as number) / FRAME_SIZE);
    const isFault = hpfar[index] !== HPFAR_NONE && hpfar[index] !== HPFAR_OPEN;
    const intermediate = isFault ? Number((hpfar[index] as bigint) >> 4n) * FRAME_SIZE : -1;
    if (isInRegion(frame, region) || (intermediate >= start && intermediate < start + bytes)) {
      outcomes.known[index] = 0;
      remarks.set(index, MEETS_INTERMEDIATE);
    }
  }
}

/** Tags the slots in which probes are expected to land: in RAM, but neither in the image nor in the stub. */
export function tagSlots(
  { guest, tags, shape }: LoadedImage,
  group: ProbeGroup,
  expectedFrames: Float64Array,
): void {
  const { words } = group.accesses;
  const ramFrames = guest.ram.size / FRAME_SIZE;
  for (let index = 0; index < group.indices.length; index++) {
    const frame = expectedFrames[group.indices[index] as number] as number;
    if (frame < 0 || frame >= ramFrames) continue;
    const address = frame * FRAME_SIZE + ((words[index * ACCESS_RECORD_WORDS] as number) & 0xfff);
    if (tags.has(address) || isInRegion(frame, guest.region) || holds(shape, frame)) continue;
    tags.put(address);
  }
}

/** Whether one of the ascending extents holds a frame. */
function holds(extents: readonly Extent[], frame: number): boolean {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { firstFrame, frameCount } = extents[middle] as Extent;
    if (frame < firstFrame) high = middle;
    else if (frame >= firstFrame + frameCount) low = middle + 1;
    else return true;
  }
  return false;
}

/** The instructions that read and write, by the level that the loop runs at. */
const INSTRUCTIONS = {
  1: [Symbols.read_el1, Symbols.write_el1],
  2: [Symbols.read_el2, Symbols.write_el2],
  3: [Symbols.read_el3, Symbols.write_el3],
  nested: [Symbols.read_el1_nested, Symbols.write_el1_nested],
} as const;

export function contextOf(
  { tags, registers, plan }: LoadedImage,
  { stubAddress }: Installation,
  accesses: AccessList,
  indices: Uint32Array,
): BatchContext {
  const at = (label: number) => stubAddress + BigInt(label);
  const [read, write] = INSTRUCTIONS[hasStageTwo(registers) ? 'nested' : registers.exceptionLevel];
  return {
    accesses,
    indices,
    readInstruction: [at(read), at(Symbols.read_el0)],
    writeInstruction: [at(write), at(Symbols.write_el0)],
    isFetchTypeKnown: plan.isFetchTypeKnown,
    isTagged: (physicalAddress) => tags.has(physicalAddress),
  };
}
