import '@tensorflow/tfjs';
