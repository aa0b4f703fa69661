import { parentPort, workerData } from 'node:worker_threads';
import { type Machine, MachineError, machineErrorOf } from '../../machine.ts';
import { MACHINES } from '../registry.ts';
import {
  type Answer,
  buffersOf,
  describeError,
  imageFrom,
  movableMemory,
  movableObservations,
  probesFrom,
  type Request,
  type Results,
  type WorkerOptions,
} from './messages.ts';

/** The program of a thread that runs one machine for a WorkerMachine. */

const { machine: name, timeLimit } = workerData as WorkerOptions;
const opening = open();
let last: Promise<void> = opening.then(
  () => {},
  () => {}, // is the answer to the first request
);

parentPort?.on('message', (request: Request) => {
  last = last.then(async () => {
    const answer = await answerTo(request);
    parentPort?.postMessage(answer, buffersOf(answer));
  });
});

async function open(): Promise<Machine> {
  const provider = await MACHINES.find((candidate) => candidate.name === name)?.provider();
  if (provider === undefined) throw new MachineError(name, 'absent', 'no machine has this name');
  return await provider.open(timeLimit === undefined ? {} : { timeLimit });
}

async function answerTo(request: Request): Promise<Answer> {
  try {
    return { result: await resultOf(await opening, request) };
  } catch (error) {
    return describeError(machineErrorOf(name, error));
  }
}

async function resultOf(machine: Machine, request: Request): Promise<Results[Request['kind']]> {
  switch (request.kind) {
    case 'load':
      return void (await machine.load(imageFrom(request)));
    case 'probe':
      return movableObservations(await machine.probe(probesFrom(request.probes)));
    case 'read-back':
      return movableMemory(await machine.readBack());
    case 'close':
      return void (await machine.close());
  }
}
