import { Access, type AccessList, type Privilege } from '../access-list.ts';
import { EntryKind } from '../entry-kind.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { OutcomeList } from '../outcome-list.ts';
import { permissionBit } from '../permissions.ts';
import type { AArch64Registers } from '../registers.ts';
import { DescriptorHigh } from './descriptor-bits.ts';
import { DescriptorMark, DescriptorMarks, type DescriptorProblem } from './walk-descriptor-marks.ts';
import type { StageDeviation } from './walk-deviation.ts';
import { FirstStageOff, FirstStageOn } from './walk-first-stage.ts';
import { FIRST_LEVEL } from './walk-granule.ts';
import { AArch64PageWalk } from './walk-page.ts';
import { NO_FAULT, refusesBeforeWalk } from './walk-predict.ts';
import { rangeOf } from './walk-stage.ts';
import { decodeStageOne, isStageOneOn, type StageOne } from './walk-stage-one.ts';
import { decodeStageOneOff } from './walk-stage-one-off.ts';
import { decodeStageTwo, isStageTwoOn } from './walk-stage-two.ts';
import { StageTwoWalk, TableAccess } from './walk-stage-two-walk.ts';
import { TwoStageTranslation } from './walk-two-stages.ts';

/** An access and whether it completes. */
interface MadeAccess {
  readonly low: number;
  readonly high: number;
  readonly access: Access;
  readonly privilege: Privilege;
  readonly completes: boolean;
}

/** What marks the descriptors that accesses use. */
interface Marker {
  forget(): void;
  mark(made: MadeAccess): void;
}

/**
 * The access flags and the dirty state that a processor sets while it performs accesses (FEAT_HAFDBS): with TCR.HA and
 * VTCR.HA clear, none.
 */
export class HardwareUpdatePrediction {
  readonly #memory: PhysicalMemory;
  readonly #marks = new DescriptorMarks();
  readonly #marker: Marker | undefined;

  /**
   * @param memory the tables before the accesses
   * @param deviation where the processor departs from the architecture
   * @throws RangeError as `createWalker`
   */
  constructor(memory: PhysicalMemory, registers: AArch64Registers, deviation: StageDeviation = {}) {
    this.#memory = memory;
    const image = { memory, registers, deviation };
    this.#marker = isStageTwoOn(registers)
      ? twoStageMarker(image, this.#marks)
      : stageOneMarker(image, this.#marks);
  }

  /** Adds accesses and what becomes of them. May be called once for each batch. */
  add(accesses: AccessList, outcomes: OutcomeList): void {
    const marker = this.#marker;
    if (marker === undefined) return;
    marker.forget();
    for (let i = 0; i < accesses.length; i++) {
      marker.mark({
        low: accesses.words[4 * i] as number,
        high: accesses.words[4 * i + 1] as number,
        access: accesses.access(i),
        privilege: accesses.privilege(i),
        completes: outcomes.fault[i] === 0,
      });
    }
  }

  /** Compares the tables after the accesses with those before; `after` has the same ranges. */
  compare(after: PhysicalMemory): DescriptorProblem[] {
    return this.#marks.compare(this.#memory, after);
  }
}

/** The tables and what installs them. */
interface WalkedImage {
  readonly memory: PhysicalMemory;
  readonly registers: AArch64Registers;
  readonly deviation: StageDeviation;
}

function stageOneOf({ registers, deviation }: WalkedImage): StageOne {
  const stage = decodeStageOne(registers);
  return deviation.stageOne?.(stage, registers) ?? stage;
}

function stageOneMarker(image: WalkedImage, marks: DescriptorMarks): Marker | undefined {
  const { memory } = image;
  const stage = stageOneOf(image);
  if (!stage.hardwareAccessFlag) return undefined;
  const walk = new AArch64PageWalk(memory, stage);
  return {
    forget: () => walk.forget(),
    mark({ low, high, access, privilege, completes }) {
      const range = rangeOf(stage.ranges, high);
      if (refusesBeforeWalk(range, low, high, access, privilege)) return;
      walk.walk(range, low, high);
      if (walk.end !== EntryKind.Leaf) return;
      const isWritten = completes && access === Access.Write;
      marks.add(walk.entryAddress, marksOf(walk, completes, isWritten, isWritten), stage);
    },
  };
}

/** Stage 1 changes its descriptors through stage 2, and so even what stage 2 then forbids may have made a page dirty. */
function twoStageMarker(image: WalkedImage, marks: DescriptorMarks): Marker | undefined {
  const { memory, registers, deviation } = image;
  const decoded = decodeStageTwo(registers);
  const two = deviation.stageTwo?.(decoded, registers) ?? decoded;
  const one = isStageOneOn(registers) ? stageOneOf(image) : undefined;
  if (!two.hardwareAccessFlag && one?.hardwareAccessFlag !== true) return undefined;
  const translation = new TwoStageTranslation(memory, two, (tables) =>
    one === undefined
      ? new FirstStageOff(decodeStageOneOff(registers))
      : new FirstStageOn(one, new AArch64PageWalk(tables, one)),
  );
  const { first, second } = translation;
  const tables = new StageTwoWalk(memory, two);

  /** Of a descriptor of stage 1, where stage 2 has it. */
  const markTable = (descriptor: number, completes: boolean, mayChange: boolean, changes: boolean) => {
    tables.status(descriptor, TableAccess.Read);
    if (tables.walk.end !== EntryKind.Leaf) return;
    marks.add(tables.walk.entryAddress, marksOf(tables.walk, completes, mayChange, changes), two);
  };

  return {
    forget() {
      translation.forget();
      tables.walk.forget();
    },
    mark({ low, high, access, privilege, completes }) {
      const status = first.translate(low, high, access, privilege);
      const isWritten = access === Access.Write;
      if (one !== undefined && first instanceof FirstStageOn) {
        const { walk } = first;
        const range = rangeOf(one.ranges, high);
        if (refusesBeforeWalk(range, low, high, access, privilege)) return;
        for (let level = range.startLevel; level < walk.level; level++) {
          const table = walk.tableAddresses[level - FIRST_LEVEL] as number;
          markTable(table + (walk.indices[level - FIRST_LEVEL] as number) * 8, completes, false, false);
        }
        const mayChange = one.hardwareAccessFlag && walk.end === EntryKind.Leaf;
        markTable(walk.entryAddress, completes, mayChange, completes && first.isUpdated);
        const physical = translation.intermediateMemory.physicalAddress(walk.entryAddress);
        if (walk.end === EntryKind.Leaf && physical !== undefined) {
          const passed = isWritten && status === NO_FAULT;
          marks.add(physical, marksOf(walk, completes, passed, completes && isWritten), one);
        }
      }
      if (status !== NO_FAULT) return;
      second.status(first.intermediateAddress, permissionBit(access, privilege));
      if (second.walk.end !== EntryKind.Leaf) return;
      const written = completes && isWritten;
      marks.add(second.walk.entryAddress, marksOf(second.walk, completes, written, written), two);
    },
  };
}

/**
 * The marks of the leaf at which a walk ended.
 * @param mayChange whether a write, or hardware's own, may have gone through it
 * @param changes whether one did
 */
function marksOf(
  { stage, entryHigh }: AArch64PageWalk,
  completes: boolean,
  mayChange: boolean,
  changes: boolean,
): number {
  if (!stage.hardwareAccessFlag) return 0;
  const canBeDirty = stage.hardwareDirty && (entryHigh & DescriptorHigh.DirtyBitModifier) !== 0;
  return (
    DescriptorMark.Used |
    (completes ? DescriptorMark.Accessed : 0) |
    (canBeDirty && mayChange ? DescriptorMark.MayBeDirty : 0) |
    (canBeDirty && changes ? DescriptorMark.Dirty : 0)
  );
}
