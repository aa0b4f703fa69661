import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { describeMachineContract } from './contract.ts';

describeMachineContract(qemuX64);
