import { mount } from 'svelte';
import './app.css';
import { app } from './state/app.svelte';
import App from './ui/App.svelte';

mount(App, { target: document.getElementById('app')! });
void app.start();
