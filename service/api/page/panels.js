/** The panels, in the order of the rail. To add one: a folder in panels/ with a panel.js, and an entry here.
 *
 * docs/page.md says what a panel.js exports and what it is given.
 *
 * @typedef {import('./server/types.js').Model} Model
 *
 * @typedef {object} PanelEntry
 * @property {string} id its name in the address, as in #/tag
 * @property {string} label its name in the rail
 * @property {string | null} task the task whose models it shows; null: it needs none
 * @property {import('./components/icon.js').IconName} icon
 * @property {(models: Model[]) => Model} [choose] the model that a first visit shows; by default the first of the list
 * @property {boolean} [hasMenu] whether a model is chosen above it; by default it is
 * @property {boolean} [needsModels] whether it is shown only where a model serves; by default it is
 * @property {() => Promise<{ Panel: (props: PanelProps) => any }>} load imports panel.js
 *
 * @typedef {object} PanelProps
 * @property {import('./server/client.js').Server} server
 * @property {Model} model the chosen model of the task (of a panel without a task the first of all; null where none serves)
 * @property {Model[]} models all models of the task (of a panel without a task all models)
 * @property {URLSearchParams} query the input, as the address holds it
 * @property {(values: Record<string, string | null>, options?: { push?: boolean }) => void} setQuery
 *     writes values of the input into the address; null removes one. With push the back button returns
 * @property {Map<string, any>} panelState what the panel holds beside its address while another is shown: see components/use_panel_state.js
 * @property {import('./server/types.js').IdleModel[]} idle the models of the server's repository that do not serve, of all tasks
 * @property {boolean} allowsModelControl whether the server lets models be loaded and unloaded
 * @property {() => void} onModelsChanged has the list of models read again
 */

/** @type {PanelEntry[]} */
export const PANELS = [
  {
    id: 'draw',
    label: 'Draw',
    task: 'image-classification',
    icon: 'draw',
    load: () => import('./panels/draw/panel.js'),
  },
  {
    id: 'tag',
    label: 'Tag',
    task: 'token-classification',
    icon: 'tag',
    load: () => import('./panels/tag/panel.js'),
  },
  {
    id: 'words',
    label: 'Words',
    task: 'word-vectors',
    icon: 'words',
    load: () => import('./panels/words/panel.js'),
  },
  {
    id: 'translate',
    label: 'Translate',
    task: 'translation',
    icon: 'translate',
    choose: (models) => models.find(({ details }) => details.source === 'en') ?? models[0],
    load: () => import('./panels/translate/panel.js'),
  },
  {
    id: 'models',
    label: 'Models',
    task: null,
    icon: 'models',
    needsModels: false,
    load: () => import('./panels/models/panel.js'),
  },
  {
    id: 'teach',
    label: 'Teach',
    task: null,
    icon: 'teach',
    hasMenu: false,
    load: () => import('./panels/teach/panel.js'),
  },
];
