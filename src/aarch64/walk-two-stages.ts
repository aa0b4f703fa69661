import type { Access, Privilege } from '../access-list.ts';
import { HPFAR_NONE, HPFAR_OPEN, StructuralFault } from '../outcome-list.ts';
import { type PermissionMask, permissionBit } from '../permissions.ts';
import type { WalkMemory } from '../walk-memory.ts';
import type { StageDeviation } from './walk-deviation.ts';
import { hpfarOf, isPermissionStatus, onStageOneWalk, stageTwoSyndrome, syndrome } from './walk-fault.ts';
import type { FirstStage } from './walk-first-stage.ts';
import { MEMORY_TYPE_INDICES, type MemoryTypeTable } from './walk-memory-type.ts';
import { combinedMemoryTypes } from './walk-memory-type-two.ts';
import { NO_FAULT } from './walk-predict.ts';
import type { StageTwo } from './walk-stage-two.ts';
import { IntermediateMemory, MISSING, StageTwoWalk, TableAccess } from './walk-stage-two-walk.ts';

/**
 * The translation of EL1&0 under two stages (Arm ARM D8.2): stage 1 with its permissions first, and every
 * descriptor that it reads or changes through stage 2; then stage 2 of what comes out. The result stands in the
 * fields.
 */
export class TwoStageTranslation {
  readonly first: FirstStage;
  /** What tables of stage 1 are read from. */
  readonly intermediateMemory: IntermediateMemory;
  /** Stage 2 of what accesses go to. */
  readonly second: StageTwoWalk;
  /** See {@link combinedMemoryTypes}. */
  readonly memoryTypes: MemoryTypeTable;
  /** Of an access that completes, or of the descriptor that is missing. */
  physicalAddress = 0;
  /** Of a fault: an element of `OutcomeList.hpfar`. */
  hpfar = HPFAR_NONE;
  readonly #tables: StageTwoWalk;
  readonly #deviation: StageDeviation;

  /** @param makeFirst makes stage 1 over the memory that it reads its tables from */
  constructor(
    memory: WalkMemory,
    stageTwo: StageTwo,
    makeFirst: (tables: IntermediateMemory) => FirstStage,
    deviation: StageDeviation = {},
  ) {
    this.#deviation = deviation;
    this.#tables = new StageTwoWalk(memory, stageTwo);
    this.intermediateMemory = new IntermediateMemory(memory, this.#tables);
    this.first = makeFirst(this.intermediateMemory);
    this.second = new StageTwoWalk(memory, stageTwo);
    const [one, two] = [this.first.memoryTypes, stageTwo.memoryTypes];
    const combined = combinedMemoryTypes(one, two);
    this.memoryTypes = deviation.combinedTypes?.(one, two, combined) ?? combined;
  }

  /** Drops what is remembered: call it when tables may have changed. */
  forget(): void {
    this.first.forget();
    this.intermediateMemory.forget();
    this.second.walk.forget();
  }

  /** Index into {@link memoryTypes} of an access that completes. */
  get memoryTypeIndex(): number {
    return this.first.memoryTypeIndex * MEMORY_TYPE_INDICES + this.second.walk.memoryTypeIndex;
  }

  /** @returns 0 for an access that completes, the syndrome of the exception, or a {@link StructuralFault} */
  faultOf(low: number, high: number, access: Access, privilege: Privilege): number {
    const { first } = this;
    this.hpfar = HPFAR_NONE;
    const status = first.translate(low, high, access, privilege);
    if (status === MISSING) return this.#faultOfTable(first.concernedDescriptor, access, TableAccess.Read);
    if (status !== NO_FAULT) return syndrome(access, privilege, status);
    if (first.isUpdated) {
      const fault = this.#faultOfTable(first.concernedDescriptor, access, TableAccess.Update);
      if (fault !== 0) return fault;
    }
    return this.#faultOfOutput(first.intermediateAddress, access, privilege);
  }

  /** What becomes of an access because of a descriptor of stage 1: one that is to be changed, or not to be had. */
  #faultOfTable(descriptor: number, access: Access, use: PermissionMask): number {
    const tables = this.#tables;
    const status = tables.tableStatus(descriptor, use);
    if (status === MISSING) return this.#missing(tables.walk.entryAddress);
    if (status !== NO_FAULT) {
      this.hpfar = hpfarOf(descriptor);
      const reported = this.#deviation.tableFaultStatus?.(status, this.first.concernedLevel) ?? status;
      return onStageOneWalk(stageTwoSyndrome(access, reported));
    }
    return use === TableAccess.Update ? 0 : this.#missing(tables.physicalAddress);
  }

  #faultOfOutput(address: number, access: Access, privilege: Privilege): number {
    const { second } = this;
    const status = second.status(address, permissionBit(access, privilege));
    if (status === MISSING) return this.#missing(second.walk.entryAddress);
    if (status === NO_FAULT) {
      this.physicalAddress = second.physicalAddress;
      return 0;
    }
    this.hpfar = isPermissionStatus(status) ? HPFAR_OPEN : hpfarOf(address);
    return stageTwoSyndrome(access, status);
  }

  #missing(descriptor: number): number {
    this.physicalAddress = descriptor;
    return StructuralFault.TableOutsideMemory;
  }
}
