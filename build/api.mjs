/**
 * Writes the exports of every entry point, with their types, to api/*.api.md: a change of the
 * public surface shows in the diff. With --check it writes nothing and fails where a report is out
 * of date. It reads the declarations in dist/esm.
 */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('..', import.meta.url));
const packageFile = join(root, 'package.json');
const configFile = join(root, 'build/api-extractor.json');
const check = process.argv.includes('--check');

function configFor(subpath, declarations) {
  const config = ExtractorConfig.loadFile(configFile);
  config.mainEntryPointFilePath = join(root, declarations);
  config.apiReport.reportFileName = `tfjs-warmup${subpath.slice(1).replaceAll('/', '-')}`;
  // Each subpath uses types that its neighbors export; the root exports them all.
  if (subpath !== '.')
    config.messages.extractorMessageReporting['ae-forgotten-export'] = { logLevel: 'none' };
  return ExtractorConfig.prepare({
    configObject: config,
    configObjectFullPath: configFile,
    packageJsonFullPath: packageFile,
  });
}

/** Prints the faults of the code alone: of the reports this script speaks itself. */
function silence(message) {
  if (
    message.messageId.startsWith('console-api-report') ||
    message.messageId === 'console-preamble'
  )
    message.handled = true;
}

const { exports } = JSON.parse(readFileSync(packageFile, 'utf8'));
let failed = false;
for (const [subpath, target] of Object.entries(exports)) {
  if (!target.import) continue;
  const config = configFor(subpath, target.import.types);
  const { apiReportChanged, errorCount } = Extractor.invoke(config, {
    localBuild: !check,
    messageCallback: silence,
  });
  if (apiReportChanged) {
    console.log(`${relative(root, config.reportFilePath)}: ${check ? 'out of date' : 'written'}`);
  }
  failed ||= errorCount > 0 || (check && apiReportChanged);
}
if (failed) {
  console.error('The public surface has faults or has changed. Run `npm run api` and commit api/.');
  process.exitCode = 1;
}
